// SPDX-License-Identifier: Apache-2.0
#include "baton/async/run_on.hpp"

#include "unit/async/run.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace baton {

namespace {

TEST(RunOn, CallsOnThePoolAndResumesOnTheLoop) {
    asio::io_context loop(1);
    asio::thread_pool pool(1);
    auto body = [](asio::thread_pool* threads) -> Task<void> {
        const auto here = std::this_thread::get_id();
        std::string text = "short";
        auto job = [text] { return text + (text.empty() ? "" : "er"); };
        const std::string value = co_await run_on(*threads, std::move(job));
        EXPECT_EQ(value, "shorter");
        EXPECT_EQ(std::this_thread::get_id(), here);

        auto identify = [] { return std::this_thread::get_id(); };
        const auto there = co_await run_on(*threads, identify);
        EXPECT_NE(there, here);
    };
    test::run(loop, body(&pool));
}

TEST(RunOn, CarriesVoidAndMoveOnlyResults) {
    asio::io_context loop(1);
    asio::thread_pool pool(1);
    auto body = [](asio::thread_pool* threads) -> Task<void> {
        bool called = false;
        auto mark = [&called] { called = true; };
        co_await run_on(*threads, mark);
        EXPECT_TRUE(called);
        auto make = [] { return std::make_unique<int>(5); };
        const auto made = co_await run_on(*threads, make);
        EXPECT_EQ(*made, 5);
    };
    test::run(loop, body(&pool));
}

TEST(RunOn, RethrowsInTheCoroutine) {
    asio::io_context loop(1);
    asio::thread_pool pool(1);
    auto body = [](asio::thread_pool* threads) -> Task<void> {
        auto job = []() -> int { throw std::runtime_error("no"); };
        co_await run_on(*threads, job);
    };
    EXPECT_THROW(test::run(loop, body(&pool)), std::runtime_error);
}

}  // namespace

}  // namespace baton
