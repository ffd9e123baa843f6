// SPDX-License-Identifier: Apache-2.0
#include "baton/analysis/notes.hpp"

#include "support.hpp"

namespace baton::analysis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> notes(const Stage& stage, const std::string& name) {
    return notes_of(*stage.now->find(id(name)), *stage.now);
}

TEST(Notes, OfAnOrdinaryClusterAreNone) {
    Stage stage(two_replicas);
    stage.well();

    for (const char* name : {"p1", "r1", "r2"}) {
        EXPECT_THAT(notes(stage, name), IsEmpty()) << name;
    }
}

TEST(Notes, SayThatADelayedReplicaIsPromotedLast) {
    Stage stage("  p1: {}\n  r1: {source: p1, delay: 3600}\n");
    stage.well();

    EXPECT_THAT(notes(stage, "r1"), ElementsAre(HasSubstr("3600 s late on purpose")));
}

TEST(Notes, SayThatAFilteredReplicaIsNeverPromoted) {
    Stage stage("  p1: {}\n  r1: {source: p1, filters: yes}\n");
    stage.well();

    EXPECT_THAT(notes(stage, "r1"), ElementsAre(HasSubstr("it is never promoted")));
}

TEST(Notes, ShowAllChannelsAndWhichOneCounts) {
    Stage stage(one_replica);
    auto& channels = stage.servers.at("r1").state.channels;
    channels.push_back(channels.front());
    channels[0].name = "main";
    channels[1].name = "reports";
    channels[1].source = id("elsewhere");
    channels[1].source_uuid.clear();
    channels[1].receiver = ThreadState::connecting;
    stage.well();

    EXPECT_THAT(
        notes(stage, "r1"),
        ElementsAre("replicates by 2 channels: \"main\" from p1:3306 (receiver running, applier "
                    "running), \"reports\" from elsewhere:3306 (receiver connecting, applier "
                    "running); Baton acts upon \"main\" only, the others are shown and left alone")
    );
}

TEST(Notes, SayThatAGroupDecidesForItself) {
    Stage stage(
        "  g1: {group: {name: g, role: PRIMARY, members: [g1, g2], primary: g1}}\n"
        "  g2: {group: {name: g, role: SECONDARY, members: [g1, g2], primary: g1}}\n"
    );
    stage.well();

    EXPECT_THAT(
        notes(stage, "g2"),
        ElementsAre("member of the replication group g (one primary; state ONLINE, role SECONDARY, "
                    "2 members); who is primary in it is decided by the group, Baton changes "
                    "nothing there")
    );
}

TEST(Notes, TellOfCoPrimariesThatBothAcceptWrites) {
    Stage stage("  a: {source: b, read_only: no}\n  b: {source: a}\n");
    stage.well();
    EXPECT_THAT(
        notes(stage, "a"), ElementsAre("co-primary of b:3306: each replicates from the other")
    );

    stage.servers.at("b").state.read_only = false;
    stage.good("b", 1000).look(1001);
    EXPECT_THAT(notes(stage, "a"), ElementsAre(HasSubstr("both accept writes")));
}

TEST(Notes, SayThatABinlogServerHasNoData) {
    Stage stage("  p1: {}\n  b1: {source: p1, binlog_server: yes}\n");
    stage.well();

    EXPECT_THAT(notes(stage, "b1"), ElementsAre(HasSubstr("never promoted")));
}

}  // namespace
}  // namespace baton::analysis
