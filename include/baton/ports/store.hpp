// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the loops need of the shared backend: the lease, and a set of named documents with a cursor
// over their changes. All state that survives is documents (kind, key, JSON text); the active node
// writes them, all read them.

#include "baton/async/task.hpp"
#include "baton/base/result.hpp"
#include "baton/base/time.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace baton::ports {

/// One document. Kinds: "instance", "progress", "downtime", "maintenance", "candidate", "tags",
/// "deposed", "cluster", "member", "recovery", "step", "detection", "blocked", "audit", "setting".
struct Document {
    Document() = default;

    Document(std::string k, std::string n, std::string d)
        : kind(std::move(k)), key(std::move(n)), data(std::move(d)) {}

    std::string kind;         // at most 24 ASCII characters
    std::string key;          // at most 300 ASCII characters
    std::string data;         // ASCII JSON, at most 512 KiB; empty = deleted
    std::uint64_t seq = 0;    // set by the store on reading
    std::uint64_t epoch = 0;  // of the holder that wrote it; set by the store on reading
};

struct Changes {
    std::vector<Document> documents;  // in order of change; data empty = deleted
    std::uint64_t cursor = 0;         // pass on to the next call
    bool more = false;                // the limit was reached: ask again at once
};

enum class Role { challenger, holder };

/// The lease as seen from this node at this moment. Evaluated from the monotonic deadline when
/// asked (thread-safe).
struct LeaseStatus {
    Role role = Role::challenger;
    bool may_act = false;
    std::uint64_t epoch = 0;      // own epoch as holder, else the last one seen
    std::string token;            // of this process
    std::string holder_token;     // last holder seen in the row, "" if none or released
    Duration left{};              // until the own lease ends; zero if none
    Duration holder_left{};       // challenger: until the holder's lease, as last seen, has ended
    bool backend_ok = false;      // the lease connection works
    std::string backend_error;    // sentence, when it does not
    std::string backend_address;  // the one in use
    Duration since_backend_ok{};
};

class Lease {
public:
    virtual ~Lease() = default;
    /// Thread-safe, wait-free for practical purposes; call it right before each mutating step,
    /// never keep the answer.
    [[nodiscard]] virtual bool may_act() const = 0;
    [[nodiscard]] virtual LeaseStatus status() const = 0;
    /// Gives the lease back: stops acting at once, then releases the row. Blocks at most 1 s. Any
    /// thread.
    virtual void release() = 0;
    /// Look at the lease row now (hint from a peer). Any thread.
    virtual void look_now() = 0;
    /// For so long (2 s at most) a lease that is given back is left to the other nodes. A hint from
    /// a holder that hands over to a certain one of them; a lease that runs out is not concerned.
    /// Any thread.
    virtual void stand_back(Duration length) = 0;
};

struct NodeRow {
    std::string token, name, api_url, version, config_fingerprint, backend_address;
    std::int64_t priority = 0;
    bool alive = false;     // its heartbeat moved within the last seconds, as this node judges it
    Duration since_beat{};  // since this node saw it move
    WallMs started_ms = 0;
    std::vector<std::string> warnings;  // what the node finds wrong with itself
};

class Store {
public:
    virtual ~Store() = default;

    /// Writes documents in one fenced transaction: nothing is written unless this process holds the
    /// lease at that moment. Errors: not_leader (fenced: step down),
    /// timeout/unreachable/unavailable (outcome unknown, repeat is safe).
    virtual Task<Result<void>> write(std::vector<Document> documents, Deadline deadline) = 0;

    /// Documents changed after `cursor` (0 = everything), oldest first, at most `limit`.
    virtual Task<Result<Changes>> changes(
        std::uint64_t cursor, std::size_t limit, Deadline deadline
    ) = 0;

    /// Removes documents for good whose deletion or `kind`'s last change is older than the given
    /// age (active node only).
    virtual Task<Result<void>> expire(
        std::string kind, std::vector<std::string> keys, Deadline deadline
    ) = 0;

    virtual Task<Result<std::vector<NodeRow>>> nodes(Deadline deadline) = 0;

    /// What the other nodes are to be told of this one: its present configuration and what it finds
    /// wrong with itself. Not fenced, standbys report too; repeat it when it changes.
    virtual Task<Result<void>> report(
        std::string token,
        std::string config_fingerprint,
        std::vector<std::string> warnings,
        Deadline deadline
    ) = 0;

    /// Changes whenever the backend appears to be another or older database than before (restored,
    /// failed over with loss): the reader must reload everything from cursor 0.
    [[nodiscard]] virtual std::uint64_t history_id() const = 0;
};

}  // namespace baton::ports
