// SPDX-License-Identifier: Apache-2.0
// Random clusters, networks and observations, against what is really so.
#include "support.hpp"

#include <random>

namespace baton::analysis {
namespace {

/// A primary that this observer cannot reach, and replicas of which some are connected to it and
/// some are not, whatever they believe. Probes and witness tests happen in any order.
class World {
public:
    World(unsigned seed, bool primary_lives)
        : random_(seed), lives_(primary_lives), stage_(make_servers()) {
        stage_.well();
        for (const auto& name : replicas_) {
            if (pick(3) == 0) {  // a connection lost before the failure, and made again since
                stage_.receiver(name, ThreadState::connecting, lost).good(name, 300);
            }
        }
        stage_.look(901);
    }

    void step() {
        now_ += 3 + pick(pick(4) == 0 ? 900 : 60);
        const auto name = replicas_[static_cast<std::size_t>(pick(static_cast<int>(count_)))];
        switch (pick(5)) {
            case 0:
                stage_.fails(
                    "p1", pick(3) == 0 ? ProbeFailure::refused : ProbeFailure::timeout, now_
                );
                break;
            case 1:
                if (truth_.at(name).gone) {
                    stage_.fails(name, ProbeFailure::timeout, now_);
                } else {
                    observe(name);
                }
                break;
            case 2:
                answer_inquiries();
                break;
            default:
                if (!truth_.at(name).gone) {
                    observe(name);
                }
                break;
        }
        stage_.look(now_ + 1);
    }

    [[nodiscard]] const Finding* verdict() const { return stage_.find("p1"); }

    [[nodiscard]] std::string story() const {
        std::string out;
        for (const auto& [name, truth] : truth_) {
            out += name + (truth.connected ? " connected" : " cut off") +
                   (truth.gone ? " gone" : "") + "; ";
        }
        for (const auto& evidence : verdict()->evidence) {
            out += evidence + "; ";
        }
        return out;
    }

private:
    static constexpr int net_timeout_ms = 60'000;  // then a receiver notices by itself

    struct Truth {
        bool connected = false;  // to the primary, in fact
        bool gone = false;       // out of our sight
        bool believes = false;   // cut off without noticing
        bool stopped = false;    // by an operator
        int probed = 0;
    };

    int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

    std::string make_servers() {
        count_ = static_cast<std::size_t>(1 + pick(4));
        std::string out = "  p1: {}\n";
        const auto sure = static_cast<std::size_t>(pick(static_cast<int>(count_)));
        for (std::size_t i = 0; i < count_; ++i) {
            const auto name = "r" + std::to_string(i);
            replicas_.push_back(name);
            auto& truth = truth_[name];
            truth.connected = lives_ && (i == sure || pick(2) == 0);
            truth.gone = i != sure && pick(4) == 0;
            truth.believes = !truth.connected && pick(3) == 0;
            truth.stopped = i != sure && pick(5) == 0;
            const char* heartbeat[] = {"1", "5", "30"};
            out += "  " + name + ": {source: p1, heartbeat: " + heartbeat[pick(3)] +
                   (i != sure && pick(5) == 0 ? ", applier: stopped" : "") + "}\n";
        }
        return out;
    }

    void observe(const std::string& name) {
        auto& truth = truth_.at(name);
        auto& channel = stage_.channel(name);
        if (truth.stopped) {
            stage_.receiver(name, ThreadState::stopped);
        } else if (truth.connected) {
            if (pick(12) == 0) {  // in the middle of a witness test
                stage_.receiver(
                    name,
                    pick(2) == 0 ? ThreadState::stopped : ThreadState::connecting,
                    pick(2) == 0 ? "Connecting to source" : ""
                );
                stage_.good(name, now_);
                return;
            }
            stage_.receiver(name, ThreadState::running, waiting);
            // Heartbeats come only while there is no data; here the counter shows either.
            channel.heartbeats_received =
                10 + static_cast<std::uint64_t>(
                         now_ / static_cast<int>(channel.heartbeat_period_seconds * 1000)
                     );
        } else if (truth.believes && now_ < net_timeout_ms) {
            stage_.receiver(name, ThreadState::running, waiting);
        } else {
            stage_.receiver(
                name, ThreadState::connecting, pick(2) == 0 ? lost : "Connecting to source", 2003
            );
        }
        stage_.good(name, now_);
    }

    void answer_inquiries() {
        const auto* finding = verdict();
        if (finding == nullptr) {
            return;
        }
        for (const auto& inquiry : finding->inquiries) {
            const auto name = scenario::name_of(inquiry.target);
            if (inquiry.kind == Inquiry::Kind::reprobe || truth_.at(name).stopped) {
                continue;
            }
            auto& truth = truth_.at(name);
            truth.believes = false;
            stage_.witness(name, truth.connected, now_, now_ + 1);
        }
    }

    std::mt19937 random_;
    bool lives_;
    std::size_t count_ = 0;
    std::vector<std::string> replicas_;
    std::map<std::string, Truth> truth_;
    Stage stage_;
    int now_ = 1000;
};

TEST(Property, APrimaryThatAReplicaHearsIsNeverRecovered) {
    for (unsigned seed = 1; seed <= 400; ++seed) {
        World world(seed, true);
        for (int i = 0; i < 150; ++i) {
            world.step();
            const auto* finding = world.verdict();
            ASSERT_FALSE(finding != nullptr && finding->actionable())
                << "seed " << seed << " step " << i << ": " << world.story();
        }
    }
}

TEST(Property, ADeadPrimaryIsRecoveredSoonerOrLater) {
    for (unsigned seed = 1; seed <= 400; ++seed) {
        World world(seed, false);
        bool recovered = false;
        for (int i = 0; i < 2000 && !recovered; ++i) {
            world.step();
            recovered = world.verdict() != nullptr && world.verdict()->actionable();
        }
        ASSERT_TRUE(recovered) << "seed " << seed << ": " << world.story();
    }
}

}  // namespace
}  // namespace baton::analysis
