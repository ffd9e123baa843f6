// SPDX-License-Identifier: Apache-2.0
#include "baton/recovery/record.hpp"

#include <gtest/gtest.h>

namespace baton::recovery {
namespace {

const std::string hostile = "\"quotes\" <script>\\ \n\t\x01 'tick' $(rm) \xc3\xa4\xe2\x82\xac";

Record full_record() {
    Record record;
    record.id = "a" + hostile;
    record.number = 7;
    record.kind = analysis::RecoveryKind::dead_primary;
    record.state = State::failed;
    record.phase = Phase::drained;
    record.cluster_id = record.cluster_name = record.cluster_alias = hostile;
    record.code = analysis::Code::dead_primary_and_some_replicas;
    record.failed = InstanceId{"p1", 3306};
    record.failed_uuid = "u1";
    record.evidence = {hostile, ""};
    record.replicas = {InstanceId{"r1", 1}, InstanceId{"fe80::1%eth0", 3306}};
    record.forced = record.skip_hooks = record.semi_sync = record.acknowledged = true;
    record.requested_by = hostile;
    record.requested_candidate = InstanceId{"r1", 1};
    record.epoch = 18'000'000'000'000'000'000ULL;
    record.holder = "t";
    record.node = "n";
    ReplicaPosition position;
    position.executed_gtid_set = "x:1-5";
    position.received_gtid_set = "x:1-6";
    position.read = {"binlog.1", 4};
    position.executed = {"binlog.1", 3};
    position.applier_broken = true;
    position.applier_error = hostile;
    record.positions[InstanceId{"r1", 1}] = position;
    record.candidates = {{InstanceId{"r1", 1}, 1, hostile, 12}};
    record.successor = InstanceId{"r1", 1};
    record.successor_uuid = "u2";
    record.successor_binlog = {"b", 9};
    record.repointed = {InstanceId{"r2", 2}};
    record.lost = {InstanceId{"<b>\"host\"", 3}};
    record.loss = hostile;
    record.errors = {hostile};
    record.outcome = hostile;
    record.next_step = 11;
    record.hooks = {{"pre_failover", "failed: " + hostile}};
    record.acknowledgers = {InstanceId{"r2", 2}};
    record.acknowledgements = 2;
    record.unknown_acknowledgers = 1;
    record.stopped_before = {InstanceId{"r3", 3}};
    record.appliers_stopped_before = {InstanceId{"r4", 4}};
    record.stopped_by_us = {InstanceId{"r5", 5}};
    record.changes = {"r1 acknowledges"};
    record.partner_writable = true;
    record.attempts = {{"promote r1:1", 2}};
    record.drains = {{InstanceId{"r1", 1}, "x:1-5"}};
    record.displaced = {{InstanceId{"r4", 4}, "u4"}};
    record.promoted_gtid_set = "x:1-6";
    record.reference_gtid_set = "y:1";
    record.giving_up_as = State::failed;
    record.giving_up = hostile;
    record.classification = hostile;
    record.started_ms = 1;
    record.ended_ms = 2;
    record.detection_to_promotion_us = 3;
    record.total_us = 4;
    record.acknowledged_ms = 5;
    record.acknowledged_by = record.acknowledged_comment = hostile;
    return record;
}

TEST(Record, SurvivesStorageWithHostileTexts) {
    const auto record = full_record();

    const auto text = to_json_text(record);
    const auto read = record_from_json(text);

    ASSERT_TRUE(read) << read.error().what;
    EXPECT_EQ(*read, record);
    for (const char c : text) {
        EXPECT_TRUE(c >= 0x20 && c < 0x7f) << "the stored form is ASCII";
    }
}

TEST(Record, ReplacesBytesThatAreNoText) {
    Record record;
    record.outcome = "bad \xff byte";

    const auto read = record_from_json(to_json_text(record));

    ASSERT_TRUE(read);
    EXPECT_EQ(read->outcome, "bad \xef\xbf\xbd byte");
}

TEST(Record, ToleratesMissingUnknownAndWrongMembers) {
    const auto read = record_from_json(
        R"({"id":"x","future":[1],"number":"seven","lost":[1,"r1:3306"],"phase":"unheard of",
            "positions":[],"attempts":{"a":-1},"candidates":[3]})"
    );

    ASSERT_TRUE(read) << read.error().what;
    EXPECT_EQ(read->id, "x");
    EXPECT_EQ(read->number, 0U);
    EXPECT_EQ(read->lost, std::vector{(InstanceId{"r1", 3306})});
    EXPECT_EQ(read->phase, Phase::started);
    EXPECT_EQ(read->next_step, 1U);
    EXPECT_TRUE(read->attempts.empty());
}

TEST(Record, RefusesWhatIsNoObject) {
    for (const char* text : {"", "{", "[]", "null", "7", "{\"id\":\"x\"", "\xff"}) {
        const auto read = record_from_json(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, Errc::protocol);
    }
}

TEST(Record, EveryCodeAndStateSurvives) {
    for (int i = 0; i <= static_cast<int>(analysis::Code::deposed_primary_writable); ++i) {
        Record record;
        record.code = static_cast<analysis::Code>(i);
        EXPECT_EQ(record_from_json(to_json_text(record))->code, record.code) << i;
    }
    for (const auto state : {State::running, State::done, State::failed, State::abandoned}) {
        EXPECT_EQ(parse_state(to_string(state)), state);
    }
    for (int i = 0; i <= static_cast<int>(Phase::finished); ++i) {
        EXPECT_EQ(parse_phase(to_string(static_cast<Phase>(i))), static_cast<Phase>(i));
    }
}

TEST(StepRecord, SurvivesStorage) {
    StepRecord step;
    step.number = 3;
    step.epoch = 9;
    step.phase = Phase::promoted;
    step.kind = StepKind::repoint;
    step.target = InstanceId{"r1", 3307};
    step.text = step.outcome = hostile;
    step.state = StepState::skipped;
    step.started_ms = 1;
    step.ended_ms = 2;
    step.duration_us = 3;

    const auto read = step_from_json(to_json_text(step));

    ASSERT_TRUE(read);
    EXPECT_EQ(*read, step);
    for (int i = 0; i <= static_cast<int>(StepState::interrupted); ++i) {
        step.state = static_cast<StepState>(i);
        EXPECT_EQ(step_from_json(to_json_text(step))->state, step.state) << i;
    }
    EXPECT_FALSE(step_from_json("nothing"));
}

}  // namespace
}  // namespace baton::recovery
