// SPDX-License-Identifier: Apache-2.0
#include "baton/topology/json.hpp"

#include "world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace baton::topology {
namespace {

/// Fills everything with seeded nonsense, so that a member that is not stored shows.
class Nonsense {
public:
    explicit Nonsense(unsigned seed) : random_(seed) {}

    std::string text() {
        static const char* const parts[] = {
            "a", "\"", "\\", "<b>", "\xc3\xa9", "\n", "0", "'", " "};
        std::string out;
        for (auto left = random_() % 12; left > 0; --left) {
            out += parts[random_() % std::size(parts)];
        }
        return out;
    }

    std::uint64_t number() { return random_() % 4 == 0 ? ~std::uint64_t{0} : random_(); }

    std::optional<std::uint64_t> maybe_number() {
        return flag() ? std::optional(number()) : std::nullopt;
    }

    std::optional<bool> maybe_flag() { return flag() ? std::optional(flag()) : std::nullopt; }

    ServerSettings settings() {
        ServerSettings x;
        if (flag()) {
            return x;  // of an older version's record
        }
        x.read = true;
        x.replica_words = flag();
        x.can_persist = flag();
        x.sync_binlog = maybe_number();
        x.flush_log_at_commit = maybe_number();
        x.sync_relay_log = maybe_number();
        x.binlog_expire_seconds = maybe_number();
        x.parallel_workers = maybe_number();
        x.preserve_commit_order = maybe_flag();
        x.skip_start = maybe_flag();
        x.enforce_gtid_consistency = text();
        x.skip_errors = text();
        x.read_only_kept = one_of({Kept::unknown, Kept::yes, Kept::at_run_time_only});
        return x;
    }

    bool flag() { return random_() % 2 == 0; }

    InstanceId address() { return {"h" + text(), static_cast<Port>(random_())}; }

    LogPosition position() { return {text(), number()}; }

    template <class T>
    T one_of(std::initializer_list<T> all) {
        return *(all.begin() + static_cast<std::ptrdiff_t>(random_() % all.size()));
    }

    ThreadState thread() {
        return one_of(
            {ThreadState::none, ThreadState::stopped, ThreadState::running, ThreadState::connecting}
        );
    }

    Channel channel(std::string name) {
        Channel x;
        x.name = std::move(name);
        x.source = address();
        x.source_uuid = text();
        x.source_server_id = number();
        x.receiver = thread();
        x.applier = thread();
        x.receiver_text = text();
        x.user = text();
        x.auto_position = flag();
        x.using_gtid = text();
        x.read = position();
        x.executed = position();
        x.relay = position();
        x.retrieved_gtid_set = text();
        x.gtid_io_pos = text();
        if (flag()) {
            x.seconds_behind = static_cast<std::int64_t>(random_());
        }
        x.delay_seconds = number();
        x.receiver_errno = static_cast<unsigned>(random_());
        x.applier_errno = static_cast<unsigned>(random_());
        x.receiver_error = text();
        x.applier_error = text();
        x.has_filters = flag();
        x.heartbeat_period_seconds = 0.25 * static_cast<double>(random_() % 100);
        x.heartbeats_received = number();
        x.connect_retry_seconds = number();
        x.retry_count = maybe_number();
        x.tls.allowed = flag();
        x.tls.verify = flag();
        for (auto* member :
             {&x.tls.ca_file,
              &x.tls.ca_path,
              &x.tls.cert,
              &x.tls.cipher,
              &x.tls.crl_file,
              &x.tls.crl_path,
              &x.tls.key,
              &x.tls.versions,
              &x.tls.ciphersuites,
              &x.tls.public_key_path}) {
            *member = text();
        }
        x.tls.get_public_key = flag();
        return x;
    }

    Identity identity() {
        Identity x;
        for (auto* member :
             {&x.uuid,
              &x.hostname,
              &x.report_host,
              &x.version,
              &x.version_comment,
              &x.binlog_format,
              &x.binlog_row_image,
              &x.gtid_mode,
              &x.data_center,
              &x.region,
              &x.environment,
              &x.alias,
              &x.suggested_cluster_alias}) {
            *member = text();
        }
        x.server_id = number();
        x.report_port = static_cast<Port>(random_());
        x.flavor = one_of({Flavor::unknown, Flavor::mysql, Flavor::percona, Flavor::mariadb});
        x.replica_net_timeout_seconds = number();
        for (auto* member :
             {&x.log_bin,
              &x.log_replica_updates,
              &x.gtid_strict,
              &x.relay_log_recovery,
              &x.durable,
              &x.has_super_read_only,
              &x.replication_credentials_available}) {
            *member = flag();
        }
        return x;
    }

    Instance instance() {
        Instance x;
        x.id = address();
        x.health.checked = flag();
        x.health.valid = flag();
        x.health.consecutive_failures = static_cast<std::uint32_t>(random_());
        x.health.failure = one_of(
            {ProbeFailure::none,
             ProbeFailure::refused,
             ProbeFailure::reset,
             ProbeFailure::timeout,
             ProbeFailure::unresolved,
             ProbeFailure::access_denied,
             ProbeFailure::too_many_connections,
             ProbeFailure::error}
        );
        x.health.error = text();
        x.health.last_seen_ms = static_cast<WallMs>(random_());
        x.health.last_attempt_ms = static_cast<WallMs>(random_());
        x.health.first_failure_ms = static_cast<WallMs>(random_());
        x.health.latency = std::chrono::microseconds(random_());
        x.ever_seen = flag();
        x.state.identity = identity();
        x.state.read_only = flag();
        x.state.super_read_only = flag();
        x.state.uptime_seconds = number();
        x.state.binlog = position();
        x.state.executed_gtid_set = text();
        x.state.purged_gtid_set = text();
        x.state.settings = settings();
        x.received_lost = text();
        for (auto left = random_() % 3; left > 0; --left) {
            x.state.channels.push_back(channel("c" + std::to_string(left)));
        }
        auto& s = x.state.semi_sync;
        for (auto* member :
             {&s.available,
              &s.new_names,
              &s.has_source,
              &s.has_replica,
              &s.source_enabled,
              &s.replica_enabled,
              &s.source_status,
              &s.replica_status,
              &s.waits_without_clients}) {
            *member = flag();
        }
        s.timeout_ms = number();
        s.wait_for_replica_count = number();
        s.clients = number();
        if (flag()) {
            x.state.group = {text(), flag(), text(), text(), {{address(), text(), text(), text()}}};
        }
        for (auto left = random_() % 3; left > 0; --left) {
            x.state.reported_replicas.push_back(address());
        }
        x.state.dump_threads = number();
        if (flag()) {
            x.witness = WitnessReport{};
            x.witness->heard = flag();
            x.witness->text = text();
        }
        x.cluster_id = text();
        x.cluster_name = text();
        x.depth = static_cast<unsigned>(random_());
        x.is_co_primary = flag();
        x.ancestry_uuid = text();
        x.errant_gtid = text();
        return x;
    }

private:
    std::mt19937 random_;
};

TEST(InstanceJson, KeepsEveryMember) {
    for (unsigned seed = 1; seed <= 300; ++seed) {
        const auto before = Nonsense(seed).instance();

        const auto after = instance_from_json(stable_json(before), progress_json(before));

        ASSERT_TRUE(after) << seed;
        EXPECT_EQ(after->id, before.id) << seed;
        EXPECT_EQ(after->health, before.health) << seed;
        EXPECT_EQ(after->ever_seen, before.ever_seen) << seed;
        EXPECT_EQ(after->state, before.state) << seed;
        EXPECT_EQ(after->witness, before.witness) << seed;
        EXPECT_EQ(after->cluster_id, before.cluster_id) << seed;
        EXPECT_EQ(after->cluster_name, before.cluster_name) << seed;
        EXPECT_EQ(after->depth, before.depth) << seed;
        EXPECT_EQ(after->is_co_primary, before.is_co_primary) << seed;
        EXPECT_EQ(after->ancestry_uuid, before.ancestry_uuid) << seed;
        EXPECT_EQ(after->errant_gtid, before.errant_gtid) << seed;
    }
}

TEST(InstanceJson, IsAsciiWhateverTheServerSent) {
    Instance instance;
    instance.id = id("p");
    instance.state.identity.hostname = "caf\xc3\xa9 \xff\xfe broken";
    const auto text = stable_json(instance);

    EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x80;
    }));
    EXPECT_TRUE(instance_from_json(text, ""));
}

TEST(InstanceJson, StablePartDoesNotMoveWithProgress) {
    Instance instance;
    instance.id = id("r1");
    instance.state = a_replica("r1", "p");
    auto later = instance;
    later.state.uptime_seconds += 60;
    later.state.executed_gtid_set = uuid("p") + ":1-99";
    later.state.binlog.pos += 1;
    later.state.channels[0].read.pos += 1;
    later.state.channels[0].seconds_behind = 4;
    later.state.channels[0].heartbeats_received += 1;
    later.health.last_seen_ms = later.health.last_attempt_ms = 77;
    later.health.consecutive_failures = 3;

    EXPECT_EQ(stable_json(later), stable_json(instance));
    EXPECT_NE(progress_json(later), progress_json(instance));
}

TEST(InstanceJson, ToleratesMissingUnknownAndMistypedMembers) {
    const auto instance = instance_from_json(
        R"({"host":"p","port":3306,"read_only":"yes","depth":null,"identity":[],"channels":[1,{}],)"
        R"("new_member":{"x":1},"group":7,"reported_replicas":[{"host":3}]})",
        R"({"binlog":"x","channels":{"a":1},"latency_us":"?"})"
    );

    ASSERT_TRUE(instance);
    EXPECT_EQ(instance->id, id("p"));
    EXPECT_FALSE(instance->state.read_only);
    EXPECT_EQ(instance->state.channels.size(), 1U);
}

TEST(InstanceJson, RefusesWhatIsNoServer) {
    EXPECT_FALSE(instance_from_json("", ""));
    EXPECT_FALSE(instance_from_json("[]", ""));
    EXPECT_FALSE(instance_from_json("{}", ""));
    EXPECT_FALSE(instance_from_json(R"({"host":"p")", ""));
    EXPECT_FALSE(instance_from_json(R"({"host":"p"})", "nonsense"));
}

TEST(OverlayJson, RoundTrips) {
    const Downtime downtime{"dba", "disk \"sda\"", 1, 2};
    EXPECT_EQ(*downtime_from_json(to_json_text(downtime)), downtime);
    const Maintenance maintenance{7, "dba", "upgrade", 1, 2};
    EXPECT_EQ(*maintenance_from_json(to_json_text(maintenance)), maintenance);
    const CandidateRule rule{PromotionRule::must_not, 3, 4};
    EXPECT_EQ(*candidate_from_json(to_json_text(rule)), rule);
    const std::map<std::string, std::string> tags{{"role", "backup"}, {"", ""}};
    EXPECT_EQ(*tags_from_json(to_json_text(tags)), tags);
    const Deposed deposed{"u", "c-1", "rec", id("n"), 5, true, "clean"};
    EXPECT_EQ(*deposed_from_json(to_json_text(deposed)), deposed);
    const ClusterRecord cluster{"c-1", id("p"), 9, "orders"};
    EXPECT_EQ(*cluster_from_json(to_json_text(cluster)), cluster);
}

TEST(OverlayJson, RefusesWhatIsNoObjectAndToleratesTheRest) {
    EXPECT_FALSE(downtime_from_json("7"));
    EXPECT_FALSE(maintenance_from_json(""));
    EXPECT_FALSE(candidate_from_json("null"));
    EXPECT_FALSE(tags_from_json("[]"));
    EXPECT_FALSE(deposed_from_json("{"));
    EXPECT_FALSE(cluster_from_json("\"x\""));
    EXPECT_EQ(candidate_from_json(R"({"rule":"perhaps"})")->rule, PromotionRule::neutral);
    EXPECT_TRUE(downtime_from_json(R"({"owner":1,"unknown":2})"));
}

}  // namespace
}  // namespace baton::topology
