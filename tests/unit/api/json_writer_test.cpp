// SPDX-License-Identifier: Apache-2.0
#include "json_writer.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace baton::api {
namespace {

std::string written(std::string_view text) {
    JsonWriter json;
    json.value(text);
    return json.take();
}

TEST(JsonWriter, SeparatesMembersAndElements) {
    JsonWriter json;

    json.begin_object();
    json.member("a", 1);
    json.key("b").begin_array().value("x").null().begin_object().end_object().end_array();
    json.member("c", std::optional<int>());
    json.member("d", true);
    json.end_object();

    EXPECT_EQ(json.text(), R"({"a":1,"b":["x",null,{}],"c":null,"d":true})");
}

TEST(JsonWriter, EscapesWhatWouldBeMarkupInAPage) {
    EXPECT_EQ(written("<a href=\"x\">&"), R"("\u003ca href=\"x\"\u003e\u0026")");
    EXPECT_EQ(written("a\xe2\x80\xa8z"), R"("a\u2028z")");
}

TEST(JsonWriter, EscapesControlCharacters) {
    EXPECT_EQ(written(std::string_view("\0\x01\n\t\x7f", 5)), R"("\u0000\u0001\n\t\u007f")");
}

TEST(JsonWriter, GivesValidJsonForAnyBytes) {
    for (int first = 0; first < 256; ++first) {
        const std::string text{
            static_cast<char>(first), 'a', static_cast<char>(255 - first), '"', '\\'};

        const auto parsed = nlohmann::json::parse(written(text), nullptr, false);

        ASSERT_TRUE(parsed.is_string()) << first;
    }
}

TEST(JsonWriter, WritesNumbersOfAllSizes) {
    JsonWriter json;

    json.begin_array();
    json.value(std::numeric_limits<std::int64_t>::min())
        .value(std::numeric_limits<std::uint64_t>::max());
    json.value(0.5).value(std::numeric_limits<double>::infinity());
    json.end_array();

    EXPECT_EQ(json.text(), "[-9223372036854775808,18446744073709551615,0.5,null]");
}

}  // namespace
}  // namespace baton::api
