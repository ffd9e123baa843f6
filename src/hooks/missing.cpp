// SPDX-License-Identifier: Apache-2.0
// Is the program of a hook there? Told from the first word alone: the shell decides when it runs.
#include "baton/base/text.hpp"
#include "baton/hooks/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace baton::hooks {

namespace {

constexpr std::array<std::string_view, 28> of_the_shell{
    "!",    ".",     ":",    "[",      "break", "case",  "cd",    "command", "continue", "echo",
    "eval", "exec",  "exit", "export", "false", "for",   "if",    "printf",  "read",     "return",
    "set",  "shift", "test", "trap",   "true",  "umask", "until", "while"};

/// VARIABLE=value before the command.
bool is_assignment(std::string_view word) {
    const auto equals = word.find('=');
    return equals != std::string_view::npos && equals > 0 &&
           std::all_of(
               word.begin(),
               word.begin() + static_cast<std::ptrdiff_t>(equals),
               [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
           );
}

/// The first word, without its quotes; "" when that takes a shell to tell.
std::string program_of(std::string_view command) {
    auto rest = trim(command);
    while (!rest.empty()) {
        std::string word;
        const char quote = rest.front() == '\'' || rest.front() == '"' ? rest.front() : ' ';
        std::size_t end = 0;
        if (quote != ' ') {
            end = rest.find(quote, 1);
            if (end == std::string_view::npos) {
                return "";
            }
            word = rest.substr(1, end - 1);
            ++end;
            if (end < rest.size() && rest[end] != ' ' && rest[end] != '\t') {
                return "";
            }
        } else {
            end = std::min(rest.find_first_of(" \t\n;&|<>"), rest.size());
            word = rest.substr(0, end);
        }
        if (!is_assignment(word)) {
            return word.find_first_of("$`(){}*?~#\\'\"\n") == std::string::npos ? word : "";
        }
        rest = trim(rest.substr(end));
    }
    return "";
}

/// 0, or why it cannot be executed.
int not_executable(const std::string& path) {
    struct stat file {};

    if (::stat(path.c_str(), &file) != 0) {
        return errno;
    }
    if (S_ISDIR(file.st_mode)) {
        return EISDIR;
    }
    return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

}  // namespace

std::string why_missing(const std::string& command) {
    const auto program = program_of(command);
    if (program.empty() ||
        std::find(of_the_shell.begin(), of_the_shell.end(), program) != of_the_shell.end()) {
        return "";
    }
    if (program.find('/') != std::string::npos) {
        const int why = not_executable(program);
        return why == 0 ? "" : fmt::format("{}: {}", program, std::strerror(why));
    }
    const char* path = std::getenv("PATH");
    for (const auto& folder : split(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
        if (not_executable((folder.empty() ? "." : folder) + "/" + program) == 0) {
            return "";
        }
    }
    return fmt::format("{}: not found in {}", program, path == nullptr ? "PATH" : path);
}

}  // namespace baton::hooks
