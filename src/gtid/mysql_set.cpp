// SPDX-License-Identifier: Apache-2.0
#include "baton/gtid/mysql_set.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>

namespace baton::gtid {
namespace {

constexpr std::size_t longest_tag = 32;  // MySQL 8.4 manual, "GTID Format": up to 32 characters

constexpr bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == '\v';
}

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

constexpr bool begins_tag(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// Reads a text from left to right; errors name the place.
class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) {}

    void skip_space() {
        while (at_ < text_.size() && is_space(text_[at_])) {
            ++at_;
        }
    }

    /// Skips white space; '\0' at the end.
    char peek() {
        skip_space();
        return at_ < text_.size() ? text_[at_] : '\0';
    }

    bool take(char wanted) {
        if (at_end() || peek() != wanted) {
            return false;
        }
        ++at_;
        return true;
    }

    bool at_end() {
        skip_space();
        return at_ >= text_.size();
    }

    /// Up to the next separator.
    std::string_view word() {
        skip_space();
        const auto start = at_;
        while (at_ < text_.size() && text_[at_] != ':' && text_[at_] != ',' && !is_space(text_[at_])
        ) {
            ++at_;
        }
        return text_.substr(start, at_ - start);
    }

    Result<std::uint64_t> number() {
        skip_space();
        std::uint64_t value = 0;
        const auto* begin = text_.data() + at_;
        const auto* end = text_.data() + text_.size();
        const auto [stop, status] = std::from_chars(begin, end, value);
        if (status != std::errc{} || value < 1 || value > max_number) {
            return refuse("a transaction number (1 to 2^63-2)");
        }
        at_ += static_cast<std::size_t>(stop - begin);
        return value;
    }

    [[nodiscard]] Error refuse(std::string_view expected) const {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "not a MySQL GTID set: {} expected at character {}, found '{}'",
                expected,
                at_ + 1,
                clipped(text_.substr(std::min(at_, text_.size())), 40)
            )
        );
    }

private:
    std::string_view text_;
    std::size_t at_ = 0;
};

Result<std::string> read_tag(Reader& reader) {
    const auto word = reader.word();
    const bool valid =
        word.size() <= longest_tag &&
        std::all_of(word.begin(), word.end(), [](char c) { return begins_tag(c) || is_digit(c); });
    if (!valid) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "not a MySQL GTID set: '{}' is not a tag (at most 32 letters, digits, underscores)",
                clipped(word, 60)
            )
        );
    }
    return to_lower(word);
}

Result<Interval> read_interval(Reader& reader) {
    const auto first = reader.number();
    if (!first) {
        return first.error();
    }
    if (!reader.take('-')) {
        return Interval{*first, *first};
    }
    const auto last = reader.number();
    if (!last) {
        return last.error();
    }
    if (*last < *first) {
        return fail(
            Errc::invalid_argument,
            fmt::format("not a MySQL GTID set: the interval {}-{} runs backwards", *first, *last)
        );
    }
    return Interval{*first, *last};
}

/// What follows a UUID: ":" and a tag or an interval, repeated.
Result<void> read_numbers(Reader& reader, const Uuid& uuid, MysqlGtidSet& into) {
    Origin origin{uuid, ""};
    bool numbers_needed = true;
    IntervalSet numbers;
    while (reader.take(':')) {
        if (begins_tag(reader.peek())) {
            if (numbers_needed && !origin.tag.empty()) {
                return reader.refuse("a transaction number after the tag");
            }
            auto tag = read_tag(reader);
            if (!tag) {
                return tag.error();
            }
            origin.tag = std::move(*tag);
            numbers_needed = true;
            continue;
        }
        const auto interval = read_interval(reader);
        if (!interval) {
            return interval.error();
        }
        into.add(origin, interval->first, interval->last);
        numbers_needed = false;
    }
    if (numbers_needed) {
        return reader.refuse("':' and a transaction number");
    }
    return {};
}

}  // namespace

Result<MysqlGtidSet> MysqlGtidSet::parse(std::string_view text) {
    MysqlGtidSet out;
    Reader reader(text);
    while (!reader.at_end()) {
        if (reader.take(',')) {  // the server skips empty parts as well
            continue;
        }
        const auto uuid = parse_uuid(reader.word());
        if (!uuid) {
            return uuid.error().in("not a MySQL GTID set");
        }
        const auto numbers = read_numbers(reader, *uuid, out);
        if (!numbers) {
            return numbers.error();
        }
        if (!reader.at_end() && reader.peek() != ',') {
            return reader.refuse("',' or ':'");
        }
    }
    return out;
}

IntervalSet& MysqlGtidSet::numbers_of(const Origin& origin) {
    if (parts_.empty() || parts_.back().origin < origin) {
        return parts_.emplace_back(Part{origin, {}}).numbers;
    }
    const auto place = std::partition_point(parts_.begin(), parts_.end(), [&](const Part& part) {
        return part.origin < origin;
    });
    if (place->origin == origin) {
        return place->numbers;
    }
    return parts_.insert(place, Part{origin, {}})->numbers;
}

void MysqlGtidSet::add(const Origin& origin, std::uint64_t first, std::uint64_t last) {
    numbers_of(origin).add(first, last);
}

std::string MysqlGtidSet::text() const {
    std::string out;
    const Uuid* previous = nullptr;
    for (const auto& part : parts_) {
        if (previous == nullptr || *previous != part.origin.uuid) {
            out += previous == nullptr ? "" : ",";
            out += part.origin.uuid.text();
        }
        previous = &part.origin.uuid;
        if (!part.origin.tag.empty()) {
            out += ':';
            out += part.origin.tag;
        }
        for (const auto& interval : part.numbers.intervals()) {
            fmt::format_to(std::back_inserter(out), ":{}", interval.first);
            if (interval.last != interval.first) {
                fmt::format_to(std::back_inserter(out), "-{}", interval.last);
            }
        }
    }
    return out;
}

std::uint64_t MysqlGtidSet::count() const {
    std::uint64_t total = 0;
    for (const auto& part : parts_) {
        const auto more = part.numbers.count();
        total = more > std::numeric_limits<std::uint64_t>::max() - total
                    ? std::numeric_limits<std::uint64_t>::max()
                    : total + more;
    }
    return total;
}

bool MysqlGtidSet::contains(const Origin& origin, std::uint64_t number) const {
    const auto found = std::partition_point(parts_.begin(), parts_.end(), [&](const Part& part) {
        return part.origin < origin;
    });
    return found != parts_.end() && found->origin == origin && found->numbers.contains(number);
}

bool MysqlGtidSet::contains(const MysqlGtidSet& part) const {
    auto whole = parts_.begin();
    for (const auto& wanted : part.parts_) {
        while (whole != parts_.end() && whole->origin < wanted.origin) {
            ++whole;
        }
        if (whole == parts_.end() || whole->origin != wanted.origin ||
            !whole->numbers.contains(wanted.numbers)) {
            return false;
        }
    }
    return true;
}

bool MysqlGtidSet::intersects(const MysqlGtidSet& other) const {
    return !common(other).empty();
}

MysqlGtidSet MysqlGtidSet::united(const MysqlGtidSet& other) const {
    MysqlGtidSet out;
    out.parts_.reserve(std::max(parts_.size(), other.parts_.size()));
    auto a = parts_.begin();
    auto b = other.parts_.begin();
    while (a != parts_.end() && b != other.parts_.end()) {
        const auto order = a->origin <=> b->origin;
        if (order < 0) {
            out.parts_.push_back(*a++);
        } else if (order > 0) {
            out.parts_.push_back(*b++);
        } else {
            out.parts_.push_back(Part{a->origin, a->numbers.united(b->numbers)});
            ++a;
            ++b;
        }
    }
    out.parts_.insert(out.parts_.end(), a, parts_.end());
    out.parts_.insert(out.parts_.end(), b, other.parts_.end());
    return out;
}

MysqlGtidSet MysqlGtidSet::minus(const MysqlGtidSet& other) const {
    MysqlGtidSet out;
    auto cut = other.parts_.begin();
    for (const auto& part : parts_) {
        while (cut != other.parts_.end() && cut->origin < part.origin) {
            ++cut;
        }
        if (cut == other.parts_.end() || cut->origin != part.origin) {
            out.parts_.push_back(part);
            continue;
        }
        auto rest = part.numbers.minus(cut->numbers);
        if (!rest.empty()) {
            out.parts_.push_back(Part{part.origin, std::move(rest)});
        }
    }
    return out;
}

MysqlGtidSet MysqlGtidSet::common(const MysqlGtidSet& other) const {
    MysqlGtidSet out;
    auto b = other.parts_.begin();
    for (const auto& part : parts_) {
        while (b != other.parts_.end() && b->origin < part.origin) {
            ++b;
        }
        if (b == other.parts_.end() || b->origin != part.origin) {
            continue;
        }
        auto both = part.numbers.common(b->numbers);
        if (!both.empty()) {
            out.parts_.push_back(Part{part.origin, std::move(both)});
        }
    }
    return out;
}

MysqlGtidSet MysqlGtidSet::without(std::span<const Uuid> servers) const {
    MysqlGtidSet out;
    std::copy_if(
        parts_.begin(),
        parts_.end(),
        std::back_inserter(out.parts_),
        [&](const Part& part) {
            return std::find(servers.begin(), servers.end(), part.origin.uuid) == servers.end();
        }
    );
    return out;
}

}  // namespace baton::gtid
