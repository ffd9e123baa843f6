// SPDX-License-Identifier: Apache-2.0
#pragma once

// Errant transactions of one replica, computed only when they can have changed and only against an
// observation of the source that is newer than the replica's: the other way round, what the source
// committed and the replica applied in between would look errant. What the replica itself has made
// never came from its source, whenever that was seen: so it counts also when the source is dead.

#include "baton/gtid/gtid_set.hpp"
#include "baton/topology/instance.hpp"

#include <string>
#include <vector>

namespace baton::topology {

/// A server's executed set, parsed once for each text.
class ParsedSet {
public:
    /// Empty when the text is none of a set: what a server sent is not trusted.
    const gtid::GtidSet& of(const std::string& text);

private:
    std::string text_;
    gtid::GtidSet set_;
};

/// Cache of one replica.
struct ErrantCheck {
    std::string replica_text, source_text;  // compared last
    std::string source_uuid;
    bool source_newer = false;
};

/// Errant transactions of `replica` as text. Its `errant_gtid` is returned unchanged as long as
/// nothing newer can be said. `ancestors` are its sources up to the primary, nearest first; not
/// empty.
std::string errant_of(
    const Instance& replica,
    ParsedSet& replica_set,
    const std::vector<const Instance*>& ancestors,
    ParsedSet& source_set,
    ErrantCheck& check
);

}  // namespace baton::topology
