// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include "baton/base/ids.hpp"
#include "baton/base/text.hpp"
#include "baton/config/config.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <unistd.h>

namespace baton::config {

namespace {

constexpr std::size_t largest_file_bytes = 4UL * 1024 * 1024;

/// Collects every fault rather than stopping at the first.
class Faults {
public:
    explicit Faults(std::string file) : file_(std::move(file)) {}

    void add(int line, std::string_view text) {
        all_.push_back(
            line > 0 ? fmt::format("{}:{}: {}", file_, line, text)
                     : fmt::format("{}: {}", file_, text)
        );
    }

    [[nodiscard]] bool any() const { return !all_.empty(); }

    [[nodiscard]] Error error() const { return fail(Errc::invalid_argument, join(all_, "\n")); }

private:
    std::string file_;
    std::vector<std::string> all_;
};

int line_of(const YAML::Node& node) {
    return node.Mark().line + 1;
}

/// Edit distance, for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto above = row[j];
            row[j] =
                std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

std::string unknown_key(const std::string& key) {
    std::string best;
    std::size_t best_distance = 4;
    for (const auto& option : options()) {
        if (const auto d = distance(key, option.key); d < best_distance) {
            best_distance = d;
            best = option.key;
        }
    }
    return best.empty() ? fmt::format("unknown key '{}' ('baton config example' lists all)", key)
                        : fmt::format("unknown key '{}'; did you mean '{}'?", key, best);
}

/// Replaces a whole value "${NAME}" by the environment variable.
Result<std::string> from_environment(const std::string& text) {
    if (!text.starts_with("${") || !text.ends_with("}")) {
        return text;
    }
    const std::string name = text.substr(2, text.size() - 3);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) {
        return fail(
            Errc::invalid_argument, fmt::format("environment variable {} is not set", name)
        );
    }
    return std::string(value);
}

Result<std::string> read_secret(const std::string& file) {
    std::ifstream in(file);
    if (!in) {
        return fail(
            Errc::io,
            fmt::format("cannot read the password file '{}': {}", file, std::strerror(errno))
        );
    }
    std::string line;
    std::getline(in, line);
    if (line.ends_with('\r')) {
        line.pop_back();
    }
    if (line.empty()) {
        return fail(Errc::invalid_argument, fmt::format("the password file '{}' is empty", file));
    }
    return line;
}

constexpr std::size_t nodes_limit = 200'000;  // an alias may repeat a whole tree
constexpr unsigned depth_limit = 30;

/// Every scalar becomes a text: what "5" or "on" means is for the reader of the document to say.
nlohmann::ordered_json json_of(const YAML::Node& node, unsigned depth, std::size_t& nodes) {
    if (++nodes > nodes_limit || depth > depth_limit) {
        throw YAML::RepresentationException(node.Mark(), "nested too deep, or too large");
    }
    if (node.IsMap()) {
        auto json = nlohmann::ordered_json::object();
        for (const auto& entry : node) {
            if (!entry.first.IsScalar()) {
                throw YAML::RepresentationException(entry.first.Mark(), "a key must be a word");
            }
            if (json.contains(entry.first.Scalar())) {
                throw YAML::RepresentationException(
                    entry.first.Mark(), "'" + entry.first.Scalar() + "' is set twice"
                );
            }
            json[entry.first.Scalar()] = json_of(entry.second, depth + 1, nodes);
        }
        return json;
    }
    if (node.IsSequence()) {
        auto json = nlohmann::ordered_json::array();
        for (const auto& item : node) {
            json.push_back(json_of(item, depth + 1, nodes));
        }
        return json;
    }
    return node.IsScalar() ? nlohmann::ordered_json(node.Scalar()) : nlohmann::ordered_json();
}

std::string json_text(const YAML::Node& node) {
    std::size_t nodes = 0;
    return json_of(node, 0, nodes)
        .dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

struct Found {
    YAML::Node node;
    int line = 0;
};

/// Flattens the tree into keys with dots. A key that names no option and no group is a fault.
void flatten(
    const YAML::Node& node,
    const std::string& prefix,
    std::map<std::string, Found>& found,
    Faults& faults
) {
    for (const auto& entry : node) {
        if (!entry.first.IsScalar()) {
            faults.add(line_of(entry.first), "a key must be a word");
            continue;
        }
        const std::string key =
            prefix.empty() ? entry.first.Scalar() : prefix + "." + entry.first.Scalar();
        bool is_option = false;
        bool is_group = false;
        for (const auto& option : options()) {
            is_option = is_option || option.key == key ||
                        (option.kind == Option::Kind::secret && option.key + "_file" == key);
            is_group = is_group || option.key.starts_with(key + ".");
        }
        if (is_option) {
            if (!found.emplace(key, Found{entry.second, line_of(entry.first)}).second) {
                faults.add(line_of(entry.first), fmt::format("'{}' is set twice", key));
            }
        } else if (is_group) {
            if (entry.second.IsMap()) {
                flatten(entry.second, key, found, faults);
            } else if (!entry.second.IsNull()) {
                faults.add(
                    line_of(entry.first),
                    fmt::format("'{}' is a group of options, not a value", key)
                );
            }
        } else {
            faults.add(line_of(entry.first), unknown_key(key));
        }
    }
}

void set_secret(
    const Option& option, const std::map<std::string, Found>& found, Config& config, Faults& faults
) {
    const auto direct = found.find(option.key);
    const auto file = found.find(option.key + "_file");
    if (direct != found.end() && file != found.end()) {
        faults.add(
            file->second.line,
            fmt::format("'{}' and '{}_file' are both set; keep one", option.key, option.key)
        );
        return;
    }
    Result<std::string> value = std::string();
    int line = 0;
    if (direct != found.end()) {
        line = direct->second.line;
        const std::string text = direct->second.node.IsScalar() ? direct->second.node.Scalar() : "";
        if (!text.starts_with("${") || !text.ends_with("}")) {
            faults.add(
                line,
                fmt::format(
                    "'{}' must be \"${{NAME}}\" of an environment variable, or use '{}_file': "
                    "secrets do not belong into this file",
                    option.key,
                    option.key
                )
            );
            return;
        }
        value = from_environment(text);
    } else if (file != found.end()) {
        line = file->second.line;
        auto path =
            from_environment(file->second.node.IsScalar() ? file->second.node.Scalar() : "");
        if (!path) {
            faults.add(line, path.error().what);
            return;
        }
        config.secret_files.push_back(*path);
        value = read_secret(*path);
    }
    if (!value) {
        faults.add(line, fmt::format("{}: {}", option.key, value.error().what));
        return;
    }
    ignore(option.set(config, *value, {}), "setting a secret cannot fail");
}

void set_value(const Option& option, const Found& found, Config& config, Faults& faults) {
    std::string text;
    std::vector<std::string> list;
    const auto wrong_shape = [&](std::string_view what) {
        faults.add(
            found.line, fmt::format("{} must be {} (allowed: {})", option.key, what, option.allowed)
        );
    };
    if (option.kind == Option::Kind::document) {
        text = json_text(found.node);
    } else if (option.kind == Option::Kind::list) {
        if (found.node.IsScalar()) {
            list.push_back(found.node.Scalar());
        } else if (found.node.IsSequence()) {
            for (const auto& item : found.node) {
                if (!item.IsScalar()) {
                    wrong_shape("a list of texts");
                    return;
                }
                list.push_back(item.Scalar());
            }
        } else if (!found.node.IsNull()) {
            wrong_shape("a list");
            return;
        }
        for (auto& item : list) {
            auto value = from_environment(item);
            if (!value) {
                faults.add(found.line, fmt::format("{}: {}", option.key, value.error().what));
                return;
            }
            item = *value;
        }
    } else {
        if (!found.node.IsScalar()) {
            wrong_shape("one value");
            return;
        }
        auto value = from_environment(found.node.Scalar());
        if (!value) {
            faults.add(found.line, fmt::format("{}: {}", option.key, value.error().what));
            return;
        }
        text = *value;
    }
    if (auto good = option.set(config, text, list); !good) {
        if (option.kind == Option::Kind::document) {
            for (const auto& fault : split(good.error().what, '\n')) {
                faults.add(found.line, fmt::format("{}: {}", option.key, fault));
            }
            return;
        }
        faults.add(
            found.line,
            fmt::format("{}: {} (allowed: {})", option.key, good.error().what, option.allowed)
        );
    }
}

std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) {
        return "localhost";
    }
    return name.data();
}

/// Rules that concern more than one option.
void check_together(Config& config, const std::map<std::string, Found>& found, Faults& faults) {
    const auto line = [&](const std::string& key) {
        const auto at = found.find(key);
        return at == found.end() ? 0 : at->second.line;
    };
    if (config.lease.renew * 4 > config.lease.duration) {
        if (line("lease.renew") == 0) {
            config.lease.renew = config.lease.duration / 6;
        } else {
            faults.add(
                line("lease.renew"), "lease.renew must be at most a quarter of lease.duration"
            );
        }
    }
    if (config.lease.look * 4 > config.lease.duration) {
        if (line("lease.look") == 0) {
            config.lease.look = config.lease.duration / 12;
        } else {
            faults.add(
                line("lease.look"), "lease.look must be at most a quarter of lease.duration"
            );
        }
    }
    if (config.http.tls_cert.empty() != config.http.tls_key.empty()) {
        faults.add(
            std::max(line("http.tls_cert"), line("http.tls_key")),
            "http.tls_cert and http.tls_key belong together; set both or none"
        );
    }
    if ((config.http.auth_method == "basic" || config.http.auth_method == "multi") &&
        (config.http.auth_user.empty() || config.http.auth_password.empty())) {
        faults.add(
            line("http.auth.method"),
            fmt::format(
                "http.auth.method {} needs http.auth.user and http.auth.password_file",
                config.http.auth_method
            )
        );
    }
    if (config.node.name.empty()) {
        config.node.name = host_name();
    }
    if (config.node.advertise.empty()) {
        auto listen = parse_instance_id(config.http.listen, 3000);
        if (listen) {
            const bool any = listen->host == "0.0.0.0" || listen->host == "::";
            config.node.advertise = fmt::format(
                "{}://{}",
                config.http.tls_cert.empty() ? "http" : "https",
                InstanceId(any ? host_name() : listen->host, listen->port).text()
            );
        }
    }
    while (config.node.advertise.ends_with('/')) {
        config.node.advertise.pop_back();
    }
}

}  // namespace

Result<Config> parse(const std::string& text, const std::string& name) {
    Faults faults(name);
    Config config;
    config.file = name;
    for (const auto& option : options()) {
        if (option.kind == Option::Kind::secret || option.kind == Option::Kind::list ||
            option.kind == Option::Kind::document) {
            continue;
        }
        if (auto good = option.set(config, option.fallback, {}); !good) {
            return fail(
                Errc::invalid_argument,
                fmt::format("default of {}: {}", option.key, good.error().what)
            );
        }
    }
    YAML::Node root;
    try {
        root = YAML::Load(text);
        std::map<std::string, Found> found;
        if (root.IsMap()) {
            flatten(root, "", found, faults);
        } else if (!root.IsNull()) {
            faults.add(
                1, "the file must be a YAML mapping, as 'node:' followed by indented options"
            );
        }
        for (const auto& option : options()) {
            if (option.kind == Option::Kind::secret) {
                set_secret(option, found, config, faults);
            } else if (const auto at = found.find(option.key); at != found.end()) {
                set_value(option, at->second, config, faults);
            }
        }
        if (!faults.any()) {
            check_together(config, found, faults);
        }
    } catch (const YAML::Exception& failure) {
        faults.add(failure.mark.line + 1, fmt::format("not valid YAML: {}", failure.msg));
    }
    if (faults.any()) {
        return faults.error();
    }
    return config;
}

Result<std::string> json_of_yaml(const std::string& text, const std::string& name) {
    if (text.size() > largest_file_bytes) {
        return fail(Errc::invalid_argument, fmt::format("'{}' is larger than 4 MiB", name));
    }
    try {
        return json_text(YAML::Load(text));
    } catch (const YAML::Exception& failure) {
        return fail(
            Errc::invalid_argument,
            fmt::format("{}:{}: not valid YAML: {}", name, failure.mark.line + 1, failure.msg)
        );
    }
}

Result<Config> load(const std::string& file) {
    std::ifstream in(file);
    if (!in) {
        return fail(
            Errc::io,
            fmt::format("cannot read the configuration '{}': {}", file, std::strerror(errno))
        );
    }
    std::stringstream text;
    text << in.rdbuf();
    if (in.bad() || (in.fail() && !in.eof())) {
        return fail(
            Errc::io,
            fmt::format("cannot read the configuration '{}': {}", file, std::strerror(errno))
        );
    }
    if (text.str().size() > largest_file_bytes) {
        return fail(
            Errc::invalid_argument, fmt::format("the configuration '{}' is larger than 4 MiB", file)
        );
    }
    return parse(text.str(), file);
}

}  // namespace baton::config
