// SPDX-License-Identifier: Apache-2.0
#include "interruption.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

namespace baton::control {
namespace {

/// How a process ends that does this: its exit status, or minus the signal; 1000 when it stopped.
int end_of(const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
        work();
        ::_exit(7);
    }
    int status = 0;
    ::waitpid(child, &status, WUNTRACED);
    if (WIFSTOPPED(status)) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        return 1000;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

constexpr int not_interrupted = 7;

TEST(Interruption, HappensAtTheOrderedStageOnly) {
    const auto reach_stages = [](const std::string& order, unsigned stages) {
        return end_of([&] {
            Interruption interruption(order);
            for (unsigned i = 0; i < stages; ++i) {
                interruption.next_stage({"stop_receiver", "pre_failover"});
                interruption.reach("journaled");
                interruption.reach("performed");
            }
        });
    };

    EXPECT_EQ(reach_stages("kill performed 2", 1), not_interrupted);
    EXPECT_EQ(reach_stages("kill performed 2", 2), -SIGKILL);
    EXPECT_EQ(reach_stages("stop journaled 1", 1), 1000);
    EXPECT_EQ(reach_stages("kill ended 0", 3), not_interrupted);
    EXPECT_EQ(reach_stages("kill performed 0", 1), -SIGKILL) << "any stage";
}

TEST(Interruption, IsNoneWithoutAnOrderOrWithOneThatIsNotUnderstood) {
    for (const std::string order :
         {"", "kill", "kill journaled", "end journaled 1", "kill nowhere 1"}) {
        const auto end = end_of([&] {
            Interruption interruption(order);
            interruption.next_stage({"stop_receiver", "pre_failover"});
            for (const auto* point : {"intending", "journaled", "performed", "ending", "ended"}) {
                interruption.reach(point);
            }
        });
        EXPECT_EQ(end, not_interrupted) << order;
    }
}

TEST(Interruption, HappensAtTheStageWithTheOrderedStep) {
    const auto reach_promotion = [](const std::string& order) {
        return end_of([&] {
            Interruption interruption(order);
            for (const auto* step : {"stop_receiver", "promote", "repoint"}) {
                interruption.next_stage({step, "another"});
                interruption.reach("journaled");
                if (interruption.within()) {
                    ::_exit(8);
                }
                interruption.step_ended("another");
                interruption.step_ended(step);
                if (std::string(step) == "promote") {
                    ::_exit(9);
                }
            }
        });
    };

    EXPECT_EQ(reach_promotion("kill journaled promote"), -SIGKILL);
    EXPECT_EQ(reach_promotion("stop step-ended promote"), 1000);
    EXPECT_EQ(reach_promotion("kill step-ended another"), -SIGKILL);
    EXPECT_EQ(reach_promotion("kill performing promote 3"), 8);
    EXPECT_EQ(reach_promotion("kill journaled repoint"), 9) << "not that far";
    EXPECT_EQ(reach_promotion("kill step-ended clone"), 9) << "no such step";
}

TEST(Interruption, WithinAStageIsOrderedForThatStage) {
    Interruption interruption("kill performing 2 5");
    interruption.next_stage({"stop_receiver", "pre_failover"});
    EXPECT_FALSE(interruption.within());
    interruption.next_stage({"stop_receiver", "pre_failover"});
    EXPECT_TRUE(interruption.within());
}

}  // namespace
}  // namespace baton::control
