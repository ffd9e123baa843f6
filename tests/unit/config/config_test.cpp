// SPDX-License-Identifier: Apache-2.0
#include "baton/config/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace baton::config {

using testing::HasSubstr;
using testing::Not;

std::string fault(const std::string& text) {
    auto config = parse(text, "baton.yaml");
    return config ? "no fault" : config.error().what;
}

TEST(Config, AnEmptyFileGivesTheDefaults) {
    auto config = parse("", "baton.yaml");

    ASSERT_TRUE(config) << config.error().what;
    EXPECT_EQ(config->http.listen, "127.0.0.1:3000");
    EXPECT_EQ(config->node.advertise, "http://127.0.0.1:3000");
    EXPECT_FALSE(config->node.name.empty());
    EXPECT_EQ(config->lease.duration, 3s);
    EXPECT_EQ(config->backend.url, "sqlite:/var/lib/baton/baton.db");
    EXPECT_TRUE(config->recovery.primary_clusters.empty()) << "automatic recovery is opt-in";
}

TEST(Config, ReadsNestedKeysListsAndTimes) {
    auto config = parse(
        "node:\n  name: a\n  advertise: http://a:3000/\nrecovery:\n  primary:\n    clusters: "
        "['shop', alias=x]\n"
        "discovery: {poll_interval: 1500ms}\ntopology: {seeds: 'db1:3307'}\n",
        "baton.yaml"
    );

    ASSERT_TRUE(config) << config.error().what;
    EXPECT_EQ(config->node.advertise, "http://a:3000");
    EXPECT_THAT(config->recovery.primary_clusters, testing::ElementsAre("shop", "alias=x"));
    EXPECT_EQ(config->discovery.poll_interval, 1500ms);
    EXPECT_THAT(config->topology.seeds, testing::ElementsAre("db1:3307"));
}

TEST(Config, NamesFileLineAndWhatIsAllowed) {
    EXPECT_THAT(
        fault("discovery:\n  poll_intervall: 1s\n"),
        HasSubstr("baton.yaml:2: unknown key 'discovery.poll_intervall'; did you mean "
                  "'discovery.poll_interval'?")
    );
    EXPECT_THAT(
        fault("discovery:\n  poll_interval: 1\n"),
        HasSubstr("baton.yaml:2: discovery.poll_interval: '1' is not a time")
    );
    EXPECT_THAT(fault("discovery:\n  poll_interval: 1ms\n"), HasSubstr("allowed: 100ms to 1h"));
    EXPECT_THAT(fault("node: 5\n"), HasSubstr("'node' is a group of options"));
    EXPECT_THAT(fault("- a\n"), HasSubstr("must be a YAML mapping"));
    EXPECT_THAT(fault("node: [\n"), HasSubstr("not valid YAML"));
    EXPECT_THAT(
        fault("recovery: {primary: {clusters: ['(']}}\n"), HasSubstr("is not a regular expression")
    );
    EXPECT_THAT(fault("http: {listen: 'x:y'}\n"), HasSubstr("is not a TCP port"));
    EXPECT_THAT(fault("lease: {duration: 2s, renew: 1s}\n"), HasSubstr("at most a quarter"));
    EXPECT_THAT(fault("backend: {url: 'postgres://x'}\n"), HasSubstr("mysql://user@host:port"));
    EXPECT_THAT(fault("advice: {ignore: [loud]}\n"), HasSubstr("'loud' is no code of an advice"));
}

TEST(Config, ReportsEveryFaultAtOnce) {
    const auto text = fault("log: {level: loud}\nnode: {nam: x}\n");

    EXPECT_THAT(text, HasSubstr("baton.yaml:1: log.level"));
    EXPECT_THAT(text, HasSubstr("baton.yaml:2: unknown key 'node.nam'"));
}

TEST(Config, TakesSecretsFromFileOrEnvironmentOnly) {
    const auto file =
        std::filesystem::temp_directory_path() / ("baton-secret-" + std::to_string(::getpid()));
    std::ofstream(file) << "s3cret\n";
    ::setenv("BATON_TEST_SECRET", "fr0m-env", 1);

    auto by_file = parse("topology: {password_file: '" + file.string() + "'}\n", "f");
    auto by_environment = parse("topology: {password: '${BATON_TEST_SECRET}'}\n", "f");

    ASSERT_TRUE(by_file) << by_file.error().what;
    EXPECT_EQ(by_file->topology.password, "s3cret");
    ASSERT_TRUE(by_environment) << by_environment.error().what;
    EXPECT_EQ(by_environment->topology.password, "fr0m-env");
    EXPECT_THAT(
        fault("topology: {password: plain}\n"), HasSubstr("secrets do not belong into this file")
    );
    EXPECT_THAT(fault("topology: {password: plain}\n"), Not(HasSubstr("plain")));
    EXPECT_THAT(
        fault("topology: {password: '${BATON_NOT_SET}'}\n"),
        HasSubstr("environment variable BATON_NOT_SET is not set")
    );
    EXPECT_THAT(
        fault("topology: {password_file: /nonexistent/x}\n"),
        HasSubstr("cannot read the password file")
    );
    std::filesystem::remove(file);
}

TEST(Config, TheExampleIsValidAndNamesEveryOption) {
    auto config = parse(example(), "example");

    ASSERT_TRUE(config) << config.error().what;
    EXPECT_THAT(example(), HasSubstr("poll_interval: 1s"));
    std::string uncommented;
    for (std::size_t at = 0; at < example().size();) {
        const auto end = example().find('\n', at);
        std::string line = example().substr(at, end - at);
        const auto hash = line.find("# ");
        const auto colon = line.find(": ");
        if (hash != std::string::npos && colon != std::string::npos &&
            line.find("Allowed: ") == std::string::npos &&
            line.find("_file") == std::string::npos && hash > 0) {
            line.erase(hash, 2);
        }
        uncommented += line + "\n";
        at = end + 1;
    }
    auto all = parse(uncommented, "example");
    ASSERT_TRUE(all) << all.error().what;
    EXPECT_EQ(fingerprint(*all), fingerprint(*config))
        << "the defaults in the example are the defaults";
}

TEST(Config, KnowsWhatNeedsARestartAndWhatShouldBeEqualOnAllNodes) {
    auto before = parse("node: {name: a}\n", "f");
    auto after = parse("node: {name: b}\ndiscovery: {poll_interval: 2s}\n", "f");

    EXPECT_THAT(needs_restart(*before, *after), testing::ElementsAre("node.name"));
    EXPECT_NE(fingerprint(*before), fingerprint(*after));
    EXPECT_EQ(fingerprint(*before), fingerprint(*parse("node: {name: c}\n", "f")));
}

TEST(Config, HasItsPageInTheDocumentation) {
    std::ostringstream stored;
    stored << std::ifstream(BATON_DOCS_DIR "/configuration.md").rdbuf();

    EXPECT_EQ(stored.str(), reference_page()) << "baton config reference > docs/configuration.md";
}

TEST(Config, ReadsTimes) {
    EXPECT_EQ(*parse_duration("1.5s"), 1500ms);
    EXPECT_EQ(*parse_duration("2h"), 2h);
    for (const char* text : {"", "s", "1", "-1s", "1 s", "1y", "1e99s", "nan s", "nans"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
}

TEST(Config, ReadsRulesOfThePolicyAndNamesTheirFaultsWithLineAndPlace) {
    auto good = parse(
        "policies:\n"
        "  - name: quick\n"
        "    match: {clusters: [alias=orders]}\n"
        "    set: {wait_before_acting: 5s, recovery: {primary: on}, hooks: {pre_failover: [a, "
        "b]}}\n",
        "f"
    );
    ASSERT_TRUE(good) << good.error().what;
    EXPECT_EQ(
        good->policies,
        R"({"rules":[{"name":"quick","match":{"clusters":["alias=orders"]},"set":)"
        R"({"hooks.pre_failover":["a","b"],"recovery.primary":"on","wait_before_acting":"5s"}}]})"
    );
    EXPECT_NE(fingerprint(*good), fingerprint(*parse("", "f"))) << "all nodes should have the same";
    EXPECT_TRUE(needs_restart(*parse("", "f"), *good).empty());

    auto bad = parse(
        "node: {name: a}\npolicies:\n  - match: {clusters: ['(']}\n    set: {wait: 5s, lagging: "
        "x}\n",
        "f"
    );

    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().what, HasSubstr("f:2: policies: rules[0].match.clusters[0]: '('"));
    EXPECT_THAT(bad.error().what, HasSubstr("f:2: policies: rules[0].set.wait: unknown key"));
    EXPECT_THAT(
        bad.error().what, HasSubstr("f:2: policies: rules[0].set.lagging: 'x' is not a time")
    );
}

TEST(Config, YamlOfAnyKindBecomesJsonOrAFault) {
    EXPECT_EQ(*json_of_yaml("a: [1, on, {b: 'x\"'}]\n", "f"), R"({"a":["1","on",{"b":"x\""}]})");
    EXPECT_EQ(*json_of_yaml("", "f"), "null");
    EXPECT_FALSE(json_of_yaml("a: [", "f"));
    EXPECT_FALSE(json_of_yaml("{a: 1, a: 2}", "f"));
    EXPECT_FALSE(json_of_yaml("? [a]\n: b\n", "f"));
    EXPECT_FALSE(json_of_yaml(std::string(100, '['), "f"));
    // Each level names the one before ten times.
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int at = 1; at < 9; ++at) {
        bomb += "a" + std::to_string(at) + ": &a" + std::to_string(at) + " [";
        for (int n = 0; n < 10; ++n) {
            bomb += (n == 0 ? "*a" : ", *a") + std::to_string(at - 1);
        }
        bomb += "]\n";
    }
    EXPECT_FALSE(json_of_yaml(bomb, "f"));
}

}  // namespace baton::config
