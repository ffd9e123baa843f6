// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes JSON straight into a string: the member order is the order of calls (old clients' golden
// files depend on it), and a list of a thousand servers costs no tree of nodes. Text may be
// anything a server sent: invalid UTF-8 becomes U+FFFD; '<', '>', '&' and the line separators are
// escaped, so that a value is harmless inside a page.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace baton::api {

class JsonWriter {
public:
    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);

    JsonWriter& null();
    JsonWriter& value(std::string_view text);

    JsonWriter& value(const char* text) { return value(std::string_view(text)); }

    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }

    JsonWriter& value(bool flag);
    JsonWriter& value(double number);
    JsonWriter& value(std::int64_t number);
    JsonWriter& value(std::uint64_t number);

    template <class Integer>

    requires std::is_integral_v<Integer> JsonWriter& value(Integer number) {
        if constexpr (std::is_signed_v<Integer>) {
            return value(static_cast<std::int64_t>(number));
        } else {
            return value(static_cast<std::uint64_t>(number));
        }
    }

    JsonWriter& value(const std::vector<std::string>& texts);

    /// JSON made elsewhere.
    JsonWriter& raw(std::string_view json);

    template <class T>
    JsonWriter& member(std::string_view name, const T& content) {
        key(name);
        return value(content);
    }

    /// null when there is none.
    template <class T>
    JsonWriter& member(std::string_view name, const std::optional<T>& content) {
        key(name);
        return content ? value(*content) : null();
    }

    [[nodiscard]] const std::string& text() const { return text_; }

    std::string take() { return std::move(text_); }

    void reserve(std::size_t bytes) { text_.reserve(bytes); }

private:
    void separate();

    std::string text_;
    bool first_ = true;  // nothing before in this object or array
    bool after_key_ = false;
};

}  // namespace baton::api
