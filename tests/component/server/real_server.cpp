// SPDX-License-Identifier: Apache-2.0
#include "real_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <netinet/in.h>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace baton::test {

namespace fs = std::filesystem;

namespace {

constexpr Duration start_limit = 90s;  // for machines that build something at the same time
constexpr const char* admin_password = "admin-secret";
constexpr const char* app_password = "app-secret";

bool own_network = false;

fs::path mysql_tree() {
    const char* tree = std::getenv("BATON_MYSQL_TREE");
    return tree != nullptr ? tree : BATON_MYSQL_TREE;
}

/// Empty: the installed MariaDB (tests/live/lab/flavour.py does the same).
fs::path mariadb_tree() {
    const char* tree = std::getenv("BATON_MARIADB_TREE");
    return tree != nullptr ? tree : "";
}

fs::path loader_of(const fs::path& tree) {
    for (const auto& entry : fs::directory_iterator(tree / "lib/x86_64-linux-gnu")) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("ld-linux-") && fs::is_regular_file(fs::canonical(entry.path()))) {
            return fs::canonical(entry.path());
        }
    }
    throw std::runtime_error("no program loader in " + tree.string());
}

/// Renamed in MariaDB 11.
fs::path share_of(const fs::path& tree) {
    const fs::path renamed = tree / "usr/share/mariadb";
    return fs::exists(renamed / "mariadb_system_tables.sql") ? renamed : tree / "usr/share/mysql";
}

/// Starts a program; its output goes to the log. It dies with this one.
pid_t start(const std::vector<std::string>& words, const fs::path& log) {
    std::vector<char*> arguments;
    for (const auto& word : words) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    const std::string log_name = log.string();
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int out = ::open(log_name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::dup2(in, 0);
        ::dup2(out, 1);
        ::dup2(out, 2);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    return child;
}

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    const std::string all = text.str();
    return all.size() > 3000 ? all.substr(all.size() - 3000) : all;
}

void run_to_end(const std::vector<std::string>& words, const fs::path& log) {
    int status = 0;
    ::waitpid(start(words, log), &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw std::runtime_error(fmt::format("{} failed:\n{}", words[0], text_of(log)));
    }
}

Port free_port(const std::string& address) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    ::inet_pton(AF_INET, address.c_str(), &name.sin_addr);
    socklen_t size = sizeof name;
    auto* const generic = reinterpret_cast<sockaddr*>(&name);
    const bool good =
        ::bind(socket, generic, size) == 0 && ::getsockname(socket, generic, &size) == 0;
    ::close(socket);
    if (!good) {
        throw std::runtime_error("no free port on " + address);
    }
    return ntohs(name.sin_port);
}

std::vector<std::string> program(Kind kind) {
    if (kind == Kind::mariadb && !mariadb_tree().empty()) {
        const fs::path other = mariadb_tree();
        return {
            loader_of(other),
            "--library-path",
            (other / "usr/lib/x86_64-linux-gnu").string() + ":" +
                (other / "lib/x86_64-linux-gnu").string(),
            other / "usr/sbin/mariadbd",
            "--no-defaults",
            "--basedir=" + (other / "usr").string(),
            "--lc-messages-dir=" + share_of(other).string(),
            "--character-sets-dir=" + (share_of(other) / "charsets").string(),
        };
    }
    if (kind == Kind::mariadb) {
        return {"/usr/sbin/mariadbd", "--no-defaults"};
    }
    const fs::path tree = mysql_tree();
    // By the loader of that tree, so that it sees our file system.
    return {
        tree / "lib64/ld-linux-x86-64.so.2",
        "--library-path",
        tree / "usr/lib/x86_64-linux-gnu",
        tree / "usr/sbin/mysqld",
        "--no-defaults",
        "--basedir=" + (tree / "usr").string(),
        "--plugin-dir=" + (tree / "usr/lib/mysql/plugin").string(),
        "--lc-messages-dir=" + (tree / "usr/share/mysql").string(),
        "--character-sets-dir=" + (tree / "usr/share/mysql/charsets").string(),
        "--secure-file-priv=NULL",
    };
}

void append(std::vector<std::string>& words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
}

std::vector<std::string> small_server(Kind kind, const fs::path& folder) {
    auto words = program(kind);
    append(
        words,
        {"--datadir=" + (folder / "data").string(),
         "--socket=" + (folder / "s").string(),
         "--pid-file=" + (folder / "pid").string(),
         "--tmpdir=" + (folder / "data").string(),  // 10.5 names its temporary tables by process id
         "--skip-name-resolve",
         "--log-bin=binlog",
         "--relay-log=relay",
         "--innodb-flush-log-at-trx-commit=2",
         "--sync-binlog=0",
         "--innodb-buffer-pool-size=24M",
         "--innodb-use-native-aio=0",
         "--table-open-cache=200"}
    );
    if (::geteuid() == 0) {
        words.emplace_back("--user=root");
    }
    if (kind == Kind::mariadb) {
        append(
            words,
            {"--innodb-log-file-size=8M",
             "--performance-schema=OFF",
             "--binlog-format=ROW",
             "--gtid-strict-mode=ON",
             "--log-slave-updates=ON"}
        );
    } else {
        append(
            words,
            {"--innodb-redo-log-capacity=8M",
             "--performance-schema-instrument=%=OFF",
             "--mysqlx=OFF",
             "--gtid-mode=ON",
             "--enforce-gtid-consistency=ON",
             "--log-replica-updates=ON"}
        );
    }
    return words;
}

std::string accounts(Kind kind) {
    const bool mariadb = kind == Kind::mariadb;
    std::string sql =
        "SET SESSION sql_log_bin=0;\n"
        "CREATE USER admin@'%' IDENTIFIED BY 'admin-secret';\n"
        "GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION;\n"
        "CREATE USER repl@'%' IDENTIFIED BY 'repl-secret' REQUIRE SSL;\n"
        "GRANT REPLICATION SLAVE ON *.* TO repl@'%';\n"
        "CREATE USER baton@'%' IDENTIFIED BY 'baton-secret';\n"
        "CREATE DATABASE app;\n"
        "CREATE TABLE app.ledger (n BIGINT PRIMARY KEY AUTO_INCREMENT, t BIGINT) ENGINE=InnoDB;\n"
        "CREATE USER app@'%' IDENTIFIED BY 'app-secret';\n"
        "GRANT SELECT, INSERT, LOCK TABLES ON app.* TO app@'%';\n";
    // The least that Baton can do its work with, see docs/testing.md.
    sql += mariadb ? "GRANT PROCESS, RELOAD, BINLOG MONITOR, SLAVE MONITOR, REPLICATION MASTER "
                     "ADMIN, REPLICATION SLAVE ADMIN, READ_ONLY ADMIN, CONNECTION ADMIN ON *.* TO "
                     "baton@'%';\n"
                   : "GRANT PROCESS, RELOAD, REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO "
                     "baton@'%';\n"
                     "GRANT REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN ON "
                     "*.* TO baton@'%';\n"
                     "GRANT SELECT ON performance_schema.* TO baton@'%';\n";
    return sql;
}

/// Data directories that servers start from, one for each kind, made at first use.
class Templates {
public:
    Templates() {
        std::string name = (fs::temp_directory_path() / "baton-server-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("no temporary folder");
        }
        home_ = name;
    }

    ~Templates() {
        std::error_code ignored;
        fs::remove_all(home_, ignored);
    }

    Templates(const Templates&) = delete;
    Templates& operator=(const Templates&) = delete;

    [[nodiscard]] const fs::path& home() const { return home_; }

    const fs::path& of(Kind kind) {
        auto& ready = ready_[kind];
        if (ready.empty()) {
            const fs::path folder = home_ / (name_of(kind) + "-template");
            fs::create_directory(folder);
            make(kind, folder);
            ready = folder / "data";
        }
        return ready;
    }

private:
    /// What mariadb-install-db does; that one is a script for a server which is installed.
    static void bootstrap(const fs::path& folder, const fs::path& log) {
        fs::create_directories(folder / "data/mysql");
        std::ofstream input(folder / "bootstrap.sql");
        input << "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n";
        for (const char* name :
             {"system_tables", "performance_tables", "system_tables_data", "sys_schema"}) {
            for (const char* prefix : {"mariadb_", "mysql_"}) {
                std::ifstream part(
                    share_of(mariadb_tree()) / (std::string(prefix) + name + ".sql")
                );
                if (part) {
                    input << part.rdbuf();
                    break;
                }
            }
        }
        input.close();
        std::string command = "exec";
        for (const auto& word : program(Kind::mariadb)) {
            command += " '" + word + "'";
        }
        command += " --bootstrap --datadir='" + (folder / "data").string() +
                   "' --innodb-log-file-size=8M --max-allowed-packet=8M" +
                   (::geteuid() == 0 ? " --user=root" : "") + " <'" +
                   (folder / "bootstrap.sql").string() + "'";
        run_to_end({"/bin/sh", "-c", command}, log);
    }

    static void make(Kind kind, const fs::path& folder) {
        const fs::path log = folder / "log";
        const std::string data = "--datadir=" + (folder / "data").string();
        if (kind == Kind::mariadb) {
            if (mariadb_tree().empty()) {
                run_to_end(
                    {"/usr/bin/mariadb-install-db",
                     "--no-defaults",
                     "--auth-root-authentication-method=normal",
                     "--skip-test-db",
                     data,
                     "--innodb-log-file-size=8M",
                     ::geteuid() == 0 ? "--user=root" : "--skip-name-resolve"},
                    log
                );
            } else {
                bootstrap(folder, log);
            }
            run_to_end(
                {"/usr/bin/openssl",
                 "req",
                 "-x509",
                 "-newkey",
                 "rsa:2048",
                 "-nodes",
                 "-days",
                 "2",
                 "-subj",
                 "/CN=test",
                 "-keyout",
                 (folder / "data/key.pem").string(),
                 "-out",
                 (folder / "data/cert.pem").string()},
                log
            );
        } else {
            auto words = program(kind);
            append(
                words,
                {"--initialize-insecure",
                 data,
                 "--innodb-redo-log-capacity=32M",
                 "--innodb-use-native-aio=0"}
            );
            if (::geteuid() == 0) {
                words.emplace_back("--user=root");
            }
            run_to_end(words, log);
        }
        fill(kind, folder, log);
    }

    static void fill(Kind kind, const fs::path& folder, const fs::path& log) {
        const fs::path file = folder / "init.sql";
        std::ofstream(file) << accounts(kind)
                            << (kind == Kind::mariadb ? "RESET MASTER;\n"
                                                      : "RESET BINARY LOGS AND GTIDS;\n")
                            << "SHUTDOWN;\n";
        auto words = small_server(kind, folder);
        append(words, {"--skip-networking", "--init-file=" + file.string()});
        run_to_end(words, log);
        fs::remove(folder / "data/auto.cnf");  // each server makes a UUID of its own
    }

    fs::path home_;
    std::map<Kind, fs::path> ready_;
};

Templates& templates() {
    static Templates all;
    return all;
}

void packet_filter(const std::string& action, const std::string& address) {
    for (const char* side : {"-d", "-s"}) {
        run_to_end(
            {"/usr/sbin/iptables", "-w", action, "INPUT", side, address, "-j", "DROP"},
            templates().home() / "iptables.log"
        );
    }
}

/// Nothing listens yet.
bool starting(const Error& error) {
    return error.code == Errc::unreachable && error.what.find("TLS") == std::string::npos;
}

}  // namespace

std::string name_of(Kind kind) {
    return kind == Kind::mariadb ? "MariaDB" : "MySQL";
}

std::string missing_because(Kind kind) {
    if (kind == Kind::mariadb) {
        return fs::exists("/usr/sbin/mariadbd") ? "" : "mariadbd is not installed";
    }
    const fs::path tree = mysql_tree();
    return fs::exists(tree / ".complete")
               ? ""
               : fmt::format("MySQL is not unpacked in {} (scripts/setup mysql)", tree.string());
}

void enter_own_network() {
    if (::unshare(CLONE_NEWNET) != 0) {
        return;
    }
    const bool up = std::system("ip link set lo up") == 0;
    own_network = up && fs::exists("/usr/sbin/iptables");
    if (!up) {
        fmt::print(stderr, "the own network has no loopback device\n");
        std::exit(1);
    }
}

bool has_own_network() {
    return own_network;
}

void pause_briefly() {
    std::this_thread::sleep_for(5ms);
}

RealServer::RealServer(Kind kind, ServerOptions options)
    : kind_(kind), options_(std::move(options)) {
    static unsigned count = 0;
    ++count;
    const std::string host = fmt::format("127.0.{}.{}", 1 + count / 200, 1 + count % 200);
    id_ = InstanceId(host, free_port(host));
    folder_ = templates().home() / fmt::format("{}", count);
    const fs::path& from = templates().of(kind);
    fs::create_directory(folder_);
    run_to_end(
        {"/bin/cp", "-r", "--sparse=always", from.string(), (folder_ / "data").string()},
        folder_ / "log"
    );
    spawn();
}

RealServer::~RealServer() {
    kill();
    if (cut_) {
        reconnect();
    }
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

void RealServer::spawn() {
    auto words = small_server(kind_, folder_);
    const bool mariadb = kind_ == Kind::mariadb;
    append(
        words,
        {"--bind-address=" + id_.host,
         fmt::format("--port={}", id_.port),
         fmt::format("--server-id={}", id_.port),
         "--report-host=" + id_.host,
         fmt::format("--report-port={}", id_.port),
         fmt::format(
             "--{}-net-timeout={}", mariadb ? "slave" : "replica", options_.net_timeout_seconds
         ),
         fmt::format("--{}read-only={}", mariadb ? "" : "super-", options_.read_only ? 1 : 0)}
    );
    if (mariadb) {
        append(words, {"--ssl-cert=cert.pem", "--ssl-key=key.pem"});
    }
    append(words, options_.more);
    process_ = start(words, folder_ / "log");
}

void RealServer::admin_login() {
    mysql::ConnectOptions options(id_.host, id_.port, "admin", admin_password);
    options.tls = mysql::Tls::preferred;
    const TimePoint end = std::chrono::steady_clock::now() + start_limit;
    for (;;) {
        const auto connected =
            admin_.connect(options, std::chrono::steady_clock::now() + Duration(5s));
        if (connected) {
            return;
        }
        if (connected.error().code != Errc::timeout && !starting(connected.error())) {
            throw std::runtime_error(connected.error().what);
        }
        if (::waitpid(process_, nullptr, WNOHANG) == process_) {
            process_ = -1;
            throw std::runtime_error("the server ended:\n" + text_of(folder_ / "log"));
        }
        if (std::chrono::steady_clock::now() >= end) {
            throw std::runtime_error(
                connected.error().what + ", the server says:\n" + text_of(folder_ / "log")
            );
        }
        pause_briefly();
    }
}

void RealServer::started() {
    admin_login();
}

void RealServer::run(const std::string& sql) {
    if (!admin_.is_open()) {
        admin_login();
    }
    const mysql::Reply reply = admin_.query(sql, std::chrono::steady_clock::now() + Duration(30s));
    if (!reply.ok()) {
        throw std::runtime_error(fmt::format("{}: {}", sql, reply.error->what));
    }
}

std::string RealServer::value(const std::string& sql) {
    if (!admin_.is_open()) {
        admin_login();
    }
    const mysql::Reply reply = admin_.query(sql, std::chrono::steady_clock::now() + Duration(30s));
    if (!reply.ok()) {
        throw std::runtime_error(fmt::format("{}: {}", sql, reply.error->what));
    }
    const auto& rows = reply.first().rows;
    return rows.empty() || rows[0].empty() ? std::string{} : rows[0][0].value_or("");
}

std::string RealServer::status(const std::string& mariadb_column, const std::string& mysql_column) {
    if (!admin_.is_open()) {
        admin_login();
    }
    const bool mariadb = kind_ == Kind::mariadb;
    const mysql::Reply reply = admin_.query(
        mariadb ? "SHOW SLAVE STATUS" : "SHOW REPLICA STATUS",
        std::chrono::steady_clock::now() + Duration(30s)
    );
    if (!reply.ok()) {
        throw std::runtime_error(reply.error->what);
    }
    return std::string(reply.first().text(mariadb ? mariadb_column : mysql_column));
}

mysql::BlockingConnection RealServer::writer() {
    mysql::ConnectOptions options(id_.host, id_.port, "app", app_password);
    options.tls = mysql::Tls::preferred;
    options.database = "app";
    mysql::BlockingConnection session;
    const auto connected =
        session.connect(options, std::chrono::steady_clock::now() + Duration(10s));
    if (!connected) {
        throw std::runtime_error(connected.error().what);
    }
    return session;
}

void RealServer::follow(const RealServer& source) {
    const bool mariadb = kind_ == Kind::mariadb;
    const std::string where = fmt::format(
        "{0}_HOST='{1}',{0}_PORT={2},",
        mariadb ? "MASTER" : "SOURCE",
        source.id().host,
        source.id().port
    );
    run(mariadb ? "CHANGE MASTER TO " + where +
                      "MASTER_USER='repl',MASTER_PASSWORD='repl-secret',MASTER_SSL=1,"
                      "MASTER_CONNECT_RETRY=1,MASTER_HEARTBEAT_PERIOD=2.5,MASTER_USE_GTID=slave_pos"
                : "CHANGE REPLICATION SOURCE TO " + where +
                      "SOURCE_USER='repl',SOURCE_PASSWORD='repl-secret',SOURCE_SSL=1,"
                      "SOURCE_CONNECT_RETRY=1,SOURCE_RETRY_COUNT=86400,SOURCE_HEARTBEAT_PERIOD=2.5,"
                      "SOURCE_AUTO_POSITION=1");
    run(mariadb ? "START SLAVE" : "START REPLICA");
    if (!eventually([this] { return receiver() == "Yes" && applier() == "Yes"; }, 30s)) {
        throw std::runtime_error(
            "replication does not run: " + status("Last_IO_Error", "Last_IO_Error")
        );
    }
}

void RealServer::write() {
    run("INSERT INTO app.ledger (t) VALUES (0)");
}

std::string RealServer::rows() {
    return value("SELECT COUNT(*) FROM app.ledger");
}

std::string RealServer::position() {
    std::string text = value(
        kind_ == Kind::mariadb ? "SELECT @@global.gtid_current_pos"
                               : "SELECT @@global.gtid_executed"
    );
    text.erase(std::remove(text.begin(), text.end(), '\n'), text.end());
    return text;
}

void RealServer::receive_all(RealServer& source) {
    const bool mariadb = kind_ == Kind::mariadb;
    const std::string position =
        source.value(mariadb ? "SELECT @@global.gtid_binlog_pos" : "SELECT @@global.gtid_executed");
    const bool received = eventually(
        [&] {
            if (mariadb) {
                return status("Gtid_IO_Pos", "") == position;
            }
            return value(fmt::format(
                       "SELECT GTID_SUBSET('{}', CONCAT('{}', ',', @@global.gtid_executed))",
                       position,
                       status("", "Retrieved_Gtid_Set")
                   )) == "1";
        },
        20s
    );
    if (!received) {
        throw std::runtime_error("not received: " + position);
    }
}

bool RealServer::writable() {
    return value("SELECT @@global.read_only") == "0";
}

std::string RealServer::receiver() {
    return status("Slave_IO_Running", "Replica_IO_Running");
}

std::string RealServer::applier() {
    return status("Slave_SQL_Running", "Replica_SQL_Running");
}

void RealServer::kill() {
    if (process_ > 0) {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
        process_ = -1;
    }
    admin_.close();
}

void RealServer::freeze() {
    ::kill(process_, SIGSTOP);
    // Its threads stop one after the other, and until then answer.
    siginfo_t stopped{};
    ::waitid(P_PID, static_cast<id_t>(process_), &stopped, WSTOPPED | WNOWAIT);
}

void RealServer::thaw() {
    ::kill(process_, SIGCONT);
}

void RealServer::restart() {
    spawn();
    started();
}

void RealServer::cut_off() {
    packet_filter("-A", id_.host);
    cut_ = true;
}

void RealServer::reconnect() {
    packet_filter("-D", id_.host);
    cut_ = false;
}

}  // namespace baton::test
