// SPDX-License-Identifier: Apache-2.0
#pragma once

// A loop on a thread of its own, for the fakes: their state is touched on that thread only, and
// calls from the test run there too.

#include "baton/async/event.hpp"
#include "baton/async/task_group.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>

namespace baton::test {

class LoopThread {
public:
    LoopThread();
    /// Cancels and joins all tasks.
    ~LoopThread();
    LoopThread(const LoopThread&) = delete;
    LoopThread& operator=(const LoopThread&) = delete;

    [[nodiscard]] asio::any_io_executor executor() { return loop_.get_executor(); }

    /// Only on the loop's thread.
    void spawn(std::string name, Task<void> task) {
        group_.spawn(std::move(name), std::move(task));
    }

    /// Runs the function on the loop's thread and returns its value.
    template <class Function>
    auto call(Function function) -> std::invoke_result_t<Function&> {
        if (std::this_thread::get_id() == thread_.get_id()) {
            return function();
        }
        std::packaged_task<std::invoke_result_t<Function&>()> task(std::move(function));
        auto result = task.get_future();
        asio::post(loop_, [&task] { task(); });
        return result.get();
    }

    /// Cancels and joins all tasks and ends the thread. Safe to repeat.
    void stop();

private:
    static Task<void> main(Event* stop, TaskGroup* group);

    asio::io_context loop_{1};
    TaskGroup group_{loop_.get_executor()};
    Event stop_{loop_.get_executor()};
    std::thread thread_;
};

}  // namespace baton::test
