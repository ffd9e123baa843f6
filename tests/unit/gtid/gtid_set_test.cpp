// SPDX-License-Identifier: Apache-2.0
#include "baton/gtid/gtid_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace baton::gtid {
namespace {

using testing::HasSubstr;

const std::string a = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const std::string b = "8a94f357-aab4-11df-86ab-c80aa9429562";
const std::string c = "9d94f357-aab4-11df-86ab-c80aa9429562";

GtidSet parsed(const std::string& text, Flavour flavour = Flavour::automatic) {
    auto set = GtidSet::parse(text, flavour);
    EXPECT_TRUE(bool(set)) << text << ": " << (set ? "" : set.error().what);
    return set ? *set : GtidSet{};
}

TEST(GtidSet, RecognisesTheFlavourByTheText) {
    EXPECT_NE(parsed(a + ":1-5").mysql(), nullptr);
    EXPECT_NE(parsed("0-1-5").mariadb(), nullptr);
    EXPECT_EQ(parsed("").mysql(), nullptr);
    EXPECT_EQ(parsed("").mariadb(), nullptr);
    EXPECT_NE(parsed("", Flavour::mysql).mysql(), nullptr);
    EXPECT_NE(parsed("", Flavour::mariadb).mariadb(), nullptr);
}

TEST(GtidSet, RefusesTheOtherFlavourWhenOneIsDemanded) {
    EXPECT_FALSE(bool(GtidSet::parse("0-1-5", Flavour::mysql)));
    EXPECT_FALSE(bool(GtidSet::parse(a + ":1", Flavour::mariadb)));
    EXPECT_FALSE(bool(GtidSet::parse("garbage")));
}

TEST(GtidSet, OrdersMysqlSetsByInclusion) {
    const auto less = parsed(a + ":1-5");
    const auto more = parsed(a + ":1-9," + b + ":1");
    const auto other = parsed(a + ":1-6");

    EXPECT_EQ(compare(less, less), Order::equal);
    EXPECT_EQ(compare(less, more), Order::behind);
    EXPECT_EQ(compare(more, less), Order::ahead);
    EXPECT_EQ(compare(parsed(b + ":1-2," + a + ":1-5"), more), Order::diverged);
    EXPECT_EQ(compare(other, parsed(a + ":1-5:7")), Order::diverged);
}

TEST(GtidSet, OrdersMariadbSetsByDomain) {
    EXPECT_EQ(compare(parsed("0-1-5"), parsed("0-1-5")), Order::equal);
    EXPECT_EQ(compare(parsed("0-1-5"), parsed("0-2-9")), Order::behind);
    EXPECT_EQ(compare(parsed("0-1-5,1-1-1"), parsed("0-1-5")), Order::ahead);
    EXPECT_EQ(compare(parsed("0-1-5,1-1-1"), parsed("0-1-6")), Order::diverged);
    EXPECT_EQ(compare(parsed("0-1-5"), parsed("0-2-5")), Order::diverged);
}

TEST(GtidSet, OrdersEmptySetsOfAnyFlavour) {
    EXPECT_EQ(compare({}, {}), Order::equal);
    EXPECT_EQ(compare({}, parsed("", Flavour::mysql)), Order::equal);
    EXPECT_EQ(GtidSet{}, parsed("", Flavour::mariadb));
    EXPECT_EQ(compare({}, parsed("0-1-5")), Order::behind);
    EXPECT_EQ(compare(parsed(a + ":1"), {}), Order::ahead);
    EXPECT_EQ(compare(parsed(a + ":1"), parsed("0-1-5")), Order::diverged);
}

TEST(GtidSet, CountsWhatAReplicaLacks) {
    EXPECT_EQ(missing_from(parsed(a + ":1-10," + b + ":1-3"), parsed(a + ":1-8:10")), 4U);
    EXPECT_EQ(missing_from(parsed(a + ":1-10"), parsed(a + ":1-20")), 0U);
    EXPECT_EQ(missing_from(parsed("0-1-10,1-1-4"), parsed("0-1-7")), 7U);
    EXPECT_EQ(missing_from(parsed(a + ":1-10"), {}), 10U);
    EXPECT_EQ(missing_from({}, parsed(a + ":1-10")), 0U);
}

TEST(GtidSet, UnitesOnlySetsOfOneFlavour) {
    EXPECT_EQ(parsed(a + ":1").united(parsed(a + ":2")).text(), a + ":1-2");
    EXPECT_EQ(parsed("0-1-5").united(parsed("0-1-7,1-1-1")).text(), "0-1-7,1-1-1");
    EXPECT_EQ(GtidSet{}.united(parsed("0-1-5")).text(), "0-1-5");
    EXPECT_EQ(parsed("0-1-5").united({}).text(), "0-1-5");
}

TEST(Errant, IsWhatTheSourceLacksAndNoTrustedServerMade) {
    // a = the source, b = the replica itself, c = an old primary.
    const auto source = parsed(a + ":1-10," + c + ":1-5");
    const auto replica = parsed(a + ":1-12," + b + ":1-2," + c + ":1-6");

    EXPECT_EQ(
        errant(replica, source, Trusted{{*parse_uuid(a)}, {}}).text(), b + ":1-2," + c + ":6"
    );
    EXPECT_EQ(
        errant(
            replica, source, Trusted{{*parse_uuid(a), *parse_uuid(c), *parse_uuid(b)}, {}}
        ).text(),
        ""
    );
}

TEST(Errant, SeesOnlyTheLastTransactionsOfMariadb) {
    const auto source = parsed("0-1-10,1-1-5");

    EXPECT_EQ(errant(parsed("0-2-11,1-1-5"), source, {}).text(), "0-2-11");
    EXPECT_EQ(errant(parsed("0-1-11,1-2-5"), source, Trusted{{}, {1}}).text(), "1-2-5");
    EXPECT_TRUE(errant(parsed("0-1-9"), source, {}).empty());
}

TEST(Errant, SaysNothingWhenASideIsUnknown) {
    EXPECT_TRUE(errant(parsed(a + ":1"), GtidSet{}, {}).empty());
    EXPECT_TRUE(errant(parsed(a + ":1"), parsed("0-1-5"), {}).empty());
    EXPECT_TRUE(errant(GtidSet{}, parsed(a + ":1"), {}).empty());
    EXPECT_EQ(errant(parsed(a + ":1"), parsed("", Flavour::mysql), {}).text(), a + ":1");
}

TEST(Uuids, LeavesOutWhatIsNone) {
    const std::string texts[] = {a, "", "x", b};

    const auto uuids = uuids_of(texts);

    ASSERT_EQ(uuids.size(), 2U);
    EXPECT_EQ(uuids[1].text(), b);
    EXPECT_THAT(parse_uuid("x").error().what, HasSubstr("'x'"));
}

}  // namespace
}  // namespace baton::gtid
