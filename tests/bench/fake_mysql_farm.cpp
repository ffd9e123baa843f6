// SPDX-License-Identifier: Apache-2.0
// fake_mysql_farm: many simulated MySQL servers in one process, to measure what polling costs.
//
//   fake_mysql_farm [--servers N] [--cluster-size N] [--busy N] [--dead N] [--dead-as
//   refuse|blackhole]
//                   [--port P] [--stats FILE]
//
// Listens on port P of one 127.20.y.z address per server. Prints the addresses of the primaries and
// of the dead servers ("host:port", one a line), which nobody else tells, and then READY. Each
// second it replaces FILE by a JSON object with the totals so far: {"polls": N, "statements": N,
// "connections": N}, and "unknown": statements that no server understood. Ends by SIGTERM or
// SIGINT.

#include "bench/simulated_server.hpp"

#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace baton;
using bench::FarmPlan;

struct Options {
    FarmPlan plan;
    bool blackhole = false;
    std::string stats;
};

constexpr const char* usage =
    "usage: fake_mysql_farm [--servers N] [--cluster-size N] [--busy N] [--dead N]\n"
    "                       [--dead-as refuse|blackhole] [--port P] [--stats FILE]\n";

template <class Number>
bool read_number(std::string_view text, Number* value) {
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), *value);
    return status == std::errc{} && end == text.data() + text.size();
}

bool take(std::string_view name, std::string_view value, Options* options) {
    auto& plan = options->plan;
    if (name == "--servers") {
        return read_number(value, &plan.servers);
    }
    if (name == "--cluster-size") {
        return read_number(value, &plan.cluster_size);
    }
    if (name == "--busy") {
        return read_number(value, &plan.busy);
    }
    if (name == "--dead") {
        return read_number(value, &plan.dead);
    }
    if (name == "--port") {
        return read_number(value, &plan.port);
    }
    if (name == "--dead-as") {
        options->blackhole = value == "blackhole";
        return options->blackhole || value == "refuse";
    }
    if (name == "--stats") {
        options->stats = value;
        return true;
    }
    return false;
}

std::optional<Options> parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !take(argv[i], argv[i + 1], &options)) {
            return std::nullopt;
        }
    }
    return bench::is_possible(options.plan) ? std::optional(options) : std::nullopt;
}

/// Several descriptors for each server.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/// An address whose packets get no answer: the queue of a socket that accepts nobody is full, and
/// Linux then drops the first packets of connections.
class BlackHole {
public:
    BlackHole(const std::string& address, std::uint16_t port) {
        sockaddr_in target{};
        target.sin_family = AF_INET;
        target.sin_port = htons(port);
        ::inet_pton(AF_INET, address.c_str(), &target.sin_addr);
        const int on = 1;
        const int listener = open(SOCK_STREAM);
        ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (::bind(listener, as_address(&target), sizeof target) != 0 ||
            ::listen(listener, 0) != 0) {
            throw std::runtime_error(fmt::format("{}: {}", address, std::strerror(errno)));
        }
        for (int filler = 0; filler < 2; ++filler) {
            const int socket = open(SOCK_STREAM | SOCK_NONBLOCK);
            if (::connect(socket, as_address(&target), sizeof target) != 0 &&
                errno != EINPROGRESS) {
                throw std::runtime_error(fmt::format("{}: {}", address, std::strerror(errno)));
            }
        }
    }

    ~BlackHole() {
        for (const int socket : sockets_) {
            ::close(socket);
        }
    }

    BlackHole(const BlackHole&) = delete;
    BlackHole& operator=(const BlackHole&) = delete;

private:
    static sockaddr* as_address(sockaddr_in* address) {
        return reinterpret_cast<sockaddr*>(address);  // as the sockets API wants it
    }

    int open(int kind) {
        const int socket = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
        if (socket < 0) {
            throw std::runtime_error(fmt::format("socket: {}", std::strerror(errno)));
        }
        sockets_.push_back(socket);
        return socket;
    }

    std::vector<int> sockets_;
};

class Farm {
public:
    explicit Farm(const Options& options)
        : plan_(options.plan),
          dead_(bench::dead_servers(options.plan)),
          begun_(std::chrono::steady_clock::now()),
          fake_(fake_options()) {
        fake_.handle([this](const test::FakeRequest& request) { return answer(request); });
        for (std::size_t server = 0; server < plan_.servers; ++server) {
            const auto address = bench::address_of(server);
            if (!dead_[server]) {
                fake_.listen(address, plan_.port);
            } else if (options.blackhole) {
                holes_.push_back(std::make_unique<BlackHole>(address, plan_.port));
            }
        }
    }

    void tell_seeds() const {
        for (std::size_t server = 0; server < plan_.servers; ++server) {
            if (dead_[server] || bench::primary_of(plan_, server) == server) {
                fmt::print("{}:{}\n", bench::address_of(server), plan_.port);
            }
        }
        fmt::print("READY\n");
        std::fflush(stdout);
    }

    /// Replaces the file at once, so that no reader meets half of it.
    void write_stats(const std::string& file) const {
        const nlohmann::json totals{
            {"polls", polls_.load()},
            {"statements", statements_.load()},
            {"unknown", unknown_.load()},
            {"connections", fake_.accepted()}};
        const auto fresh = file + ".new";
        std::ofstream out(fresh, std::ios::trunc);
        out << totals.dump() << '\n';
        out.close();
        if (!out) {
            throw std::runtime_error(fmt::format("{} cannot be written", fresh));
        }
        std::filesystem::rename(fresh, file);
    }

private:
    static test::FakeMysql::Options fake_options() {
        test::FakeMysql::Options options;
        options.version = "8.4.3";
        options.statements_kept = 0;
        return options;
    }

    std::optional<test::FakeAnswer> answer(const test::FakeRequest& request) {
        const auto server = bench::server_at(request.address);
        // The whole text of several statements comes first; its parts follow one by one.
        if (!server || request.statement.find(';') != std::string::npos) {
            return std::nullopt;
        }
        ++statements_;
        const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - begun_
        );
        auto result = bench::answer(plan_, dead_, *server, request.statement, since);
        if (!result) {
            ++unknown_;
            return std::nullopt;
        }
        polls_ += request.statement == "SHOW REPLICA STATUS" ? 1U : 0U;
        return test::FakeAnswer(std::move(*result));
    }

    const FarmPlan plan_;
    const std::vector<bool> dead_;
    const std::chrono::steady_clock::time_point begun_;
    std::atomic<std::uint64_t> polls_{0};
    std::atomic<std::uint64_t> statements_{0};
    std::atomic<std::uint64_t> unknown_{0};
    std::vector<std::unique_ptr<BlackHole>> holes_;
    test::FakeMysql fake_;  // last: its thread uses the others
};

int run(const Options& options) {
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, nullptr);  // before the farm's thread begins
    raise_descriptor_limit();
    Farm farm(options);
    if (!options.stats.empty()) {
        farm.write_stats(options.stats);
    }
    farm.tell_seeds();
    for (;;) {
        const timespec second{1, 0};
        if (sigtimedwait(&ending, nullptr, &second) > 0) {
            return 0;
        }
        if (!options.stats.empty()) {
            farm.write_stats(options.stats);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = parse(argc, argv);
    if (!options) {
        fmt::print(stderr, "{}", usage);
        return 2;
    }
    try {
        return run(*options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "fake_mysql_farm: {}\n", error.what());
        return 1;
    }
}
