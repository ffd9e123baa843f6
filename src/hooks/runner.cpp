// SPDX-License-Identifier: Apache-2.0
#include "baton/hooks/runner.hpp"

#include "baton/async/run_on.hpp"

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace baton::hooks {

namespace {

constexpr std::size_t output_limit_bytes = 16UL * 1024;
constexpr std::size_t threads = 16;

class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}

    ~Descriptor() { close(); }

    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    void close() {
        if (fd_ >= 0) {
            ::close(fd_);
            fd_ = -1;
        }
    }

    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

Error system_failure(std::string_view what, int number) {
    return fail(Errc::io, fmt::format("{}: {}", what, std::strerror(number)));
}

/// The daemon's environment with the hook's variables over it.
std::vector<std::string> merged(const std::map<std::string, std::string>& extra) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text(*entry);
        if (!extra.contains(text.substr(0, text.find('=')))) {
            all.push_back(text);
        }
    }
    for (const auto& [name, value] : extra) {
        // A NUL cannot be passed; it would end the value, so what a server put behind it is
        // dropped.
        all.push_back(name + "=" + value.substr(0, value.find('\0')));
    }
    return all;
}

// What follows runs in children of fork(), where of the daemon's other threads only the memory is
// left: nothing but system calls.

/// Never returns.
[[noreturn]] void become_program(const std::array<char*, 4>& argv, char* const* envp, int output) {
    ::setpgid(0, 0);
    const int nothing = ::open("/dev/null", O_RDONLY);
    if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
        ::dup2(output, STDERR_FILENO) < 0) {
        ::_exit(127);
    }
    // No descriptor of the daemon (connections with passwords' sessions) may live on in a hook.
    ::close_range(3, ~0U, 0);
    ::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(argv[0], argv.data(), envp);
    ::_exit(127);
}

/// Stands between daemon and program, so that with the daemon the whole group of the program dies:
/// whoever takes the recovery over runs it again, and two of them at once would be worse than half
/// of one. SIGTERM to it, from the daemon or by its death, ends the group. Never returns.
[[noreturn]] void become_guard(
    const std::array<char*, 4>& argv, char* const* envp, int output, pid_t daemon
) {
    sigset_t waited;
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGCHLD);
    ::signal(SIGCHLD, SIG_DFL);  // ignored, children would vanish unseen
    ::sigprocmask(SIG_SETMASK, &waited, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::prctl(PR_SET_NAME, "baton-hook");
    if (::getppid() != daemon) {
        ::_exit(127);
    }
    const pid_t program = ::fork();
    if (program == 0) {
        become_program(argv, envp, output);
    }
    if (program < 0) {
        ::_exit(127);
    }
    ::setpgid(program, program);  // by both, as either may come first
    ::setpgid(0, 0);              // what is sent to the daemon's group is not for the guard
    ::close_range(0, ~0U, 0);
    int status = 0;
    while (::waitpid(program, &status, WNOHANG) != program) {
        if (::sigwaitinfo(&waited, nullptr) == SIGTERM) {
            ::kill(-program, SIGKILL);
        }
    }
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/// The guard's process id.
Result<pid_t> start(
    const std::string& command, const std::map<std::string, std::string>& environment, int output
) {
    std::vector<std::string> variables = merged(environment);
    std::vector<char*> envp;
    envp.reserve(variables.size() + 1);
    for (auto& variable : variables) {
        envp.push_back(variable.data());
    }
    envp.push_back(nullptr);
    std::string shell = "/bin/sh";
    std::string option = "-c";
    std::string text = command;
    const std::array<char*, 4> argv{shell.data(), option.data(), text.data(), nullptr};
    const pid_t daemon = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
        return system_failure(fmt::format("cannot start '{}' by {}", command, shell), errno);
    }
    if (pid == 0) {
        become_guard(argv, envp.data(), output, daemon);
    }
    return pid;
}

/// Reads what is there; false at the end of the stream.
bool drain(int fd, std::string& output) {
    std::array<char, 4096> buffer{};
    for (;;) {
        const ssize_t count = ::read(fd, buffer.data(), buffer.size());
        if (count > 0) {
            const auto room = output_limit_bytes - std::min(output_limit_bytes, output.size());
            output.append(buffer.data(), std::min(static_cast<std::size_t>(count), room));
            continue;
        }
        return count < 0 && (errno == EAGAIN || errno == EINTR);
    }
}

}  // namespace

Result<ports::HookResult> run_blocking(
    const std::string& command,
    const std::map<std::string, std::string>& environment,
    Deadline deadline,
    const std::atomic<bool>* stopped
) {
    const auto begun = std::chrono::steady_clock::now();
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return system_failure("cannot make a pipe for a hook", errno);
    }
    const Descriptor reader(ends[0]);
    Descriptor writer(ends[1]);
    ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
    auto pid = start(command, environment, writer.get());
    writer.close();
    if (!pid) {
        return pid.error();
    }

    ports::HookResult result;
    bool open = true;
    int status = 0;
    for (;;) {
        if (open) {
            pollfd wait{reader.get(), POLLIN, 0};
            ::poll(&wait, 1, 20);
            open = drain(reader.get(), result.output);
        } else {
            ::poll(nullptr, 0, 5);
        }
        // The program decides, not its children that keep the pipe open in the background.
        const pid_t ended = ::waitpid(*pid, &status, WNOHANG);
        if (ended == *pid) {
            break;
        }
        if (ended < 0 && errno != EINTR) {
            return system_failure("cannot wait for a hook", errno);
        }
        const bool late = std::chrono::steady_clock::now() >= deadline;
        if (!result.timed_out && (late || (stopped != nullptr && *stopped))) {
            result.timed_out = true;
            ::kill(*pid, SIGTERM);  // it ends the group
        }
    }
    drain(reader.get(), result.output);
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.took = std::chrono::steady_clock::now() - begun;
    return result;
}

struct Runner::Impl {
    asio::thread_pool pool{threads};
};

Runner::Runner() : impl_(std::make_unique<Impl>()) {}

Runner::~Runner() {
    impl_->pool.join();
}

Task<Result<ports::HookResult>> Runner::run(
    std::string command, std::map<std::string, std::string> environment, Deadline deadline
) {
    const auto stopped = std::make_shared<std::atomic<bool>>(false);
    auto job =
        [command = std::move(command), environment = std::move(environment), deadline, stopped] {
            return std::make_optional(run_blocking(command, environment, deadline, stopped.get()));
        };
    auto stop = [stopped] { *stopped = true; };
    auto result = co_await run_on(impl_->pool, std::move(job), std::move(stop));
    co_return std::move(*result);
}

Task<std::string> Runner::missing(std::string command) {
    auto job = [command = std::move(command)] { return why_missing(command); };
    co_return co_await run_on(impl_->pool, std::move(job));
}

}  // namespace baton::hooks
