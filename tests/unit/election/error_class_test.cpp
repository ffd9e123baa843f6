// SPDX-License-Identifier: Apache-2.0
#include "baton/election/error_class.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace baton::election {
namespace {

struct Row {
    ErrorClass kind;
    std::vector<unsigned> numbers;
    bool not_done;
    bool close;
};

// docs/internals/lease.md, "Errors".
const std::vector<Row> table{
    {ErrorClass::connection,
     {0,
      2002,
      2003,
      2005,
      2006,
      2013,
      2026,
      2055,
      1053,
      1152,
      1158,
      1159,
      1160,
      1161,
      1927,
      3169,
      4031},
     false,
     true},
    {ErrorClass::conflict, {1213, 3101}, true, false},
    {ErrorClass::lock_wait, {1205, 3572, 1297}, true, false},
    {ErrorClass::interrupted, {1317, 1969, 3024}, false, false},
    {ErrorClass::commit_unclear, {1180, 3100, 3797, 3798, 1296}, false, true},
    {ErrorClass::cannot_write, {1047, 1290, 1836, 1792, 3796, 3799}, true, true},
    {ErrorClass::no_room, {1040, 1203, 1226, 1129, 1021, 1114, 1041}, true, true},
    {ErrorClass::refused, {1044, 1045, 1130, 1142, 1143, 1227, 1251, 2059}, true, true},
    {ErrorClass::schema, {1049, 1054, 1146}, true, false},
    {ErrorClass::bug, {1064, 1, 65535}, false, true},
};

TEST(ErrorClass, IsFoundByTheNumber) {
    for (const auto& row : table) {
        for (const auto number : row.numbers) {
            EXPECT_EQ(classify(number), row.kind) << number;
        }
    }
}

TEST(ErrorClass, SaysWhatIsCertainAndWhatToDo) {
    for (const auto& row : table) {
        EXPECT_EQ(reaction(row.kind).not_done, row.not_done) << to_string(row.kind);
        EXPECT_EQ(reaction(row.kind).close, row.close) << to_string(row.kind);
        // What is not done by a conflict alone says nothing about the server.
        EXPECT_EQ(reaction(row.kind).void_beat, row.kind != ErrorClass::conflict)
            << to_string(row.kind);
    }
}

TEST(ErrorClass, HasAWordForEach) {
    for (const auto& row : table) {
        EXPECT_FALSE(to_string(row.kind).empty());
    }
}

}  // namespace
}  // namespace baton::election
