// SPDX-License-Identifier: Apache-2.0
#include "clusters.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

namespace baton::topology {
namespace {

constexpr auto split_settles_after = std::chrono::seconds(60);
constexpr int successor_hops = 10;

struct Tree {
    std::size_t root = no_node;        // no_node: led by an unknown server
    InstanceId unknown;                // its address
    bool ambiguous = false;            // a ring in which several are writable, none is recorded
    std::vector<std::size_t> members;  // positions, ascending
    std::vector<std::size_t> ring;     // members of the ring at the top, if any
    std::string id;                    // of the cluster
};

std::string hash_text(std::string_view text) {
    std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    }
    static constexpr std::array digits{
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
    std::string out(16, '0');
    for (auto position = out.rbegin(); position != out.rend(); ++position) {
        *position = digits[hash & 0xf];
        hash >>= 4;
    }
    return out;
}

class Grouper {
public:
    Grouper(const std::vector<Node>& nodes, const Overlay& overlay, Splits& splits, TimePoint now)
        : nodes_(nodes), overlay_(overlay), splits_(splits), now_(now) {}

    Grouping run() {
        out_.placements.resize(nodes_.size());
        tree_of_.assign(nodes_.size(), no_node);
        replicas_.assign(nodes_.size(), 0);
        living_replicas_.assign(nodes_.size(), 0);
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            position_.emplace(nodes_[i].instance->id, i);
            if (const auto parent = nodes_[i].parent; parent != no_node) {
                ++replicas_[parent];
                living_replicas_[parent] += nodes_[i].instance->reachable() ? 1U : 0U;
            }
        }
        for (const auto& [id, cluster] : overlay_.membership) {
            ++recorded_size_[cluster];
        }
        find_trees();
        claim_ids();
        settle_claims();
        name_new_ones();
        make_clusters();
        return std::move(out_);
    }

private:
    [[nodiscard]] const Instance& at(std::size_t position) const {
        return *nodes_[position].instance;
    }

    [[nodiscard]] bool is_writable(std::size_t position) const {
        const auto& instance = at(position);
        return instance.reachable() && instance.ever_seen && !instance.state.read_only;
    }

    /// A server nobody has seen and nobody follows is a name, not a member of anything.
    [[nodiscard]] bool is_mere_name(std::size_t position) const {
        return !at(position).ever_seen && replicas_[position] == 0 &&
               nodes_[position].parent == no_node && nodes_[position].reporter == no_node &&
               overlay_.membership.count(at(position).id) == 0;
    }

    [[nodiscard]] std::size_t above(std::size_t position) const {
        return nodes_[position].parent != no_node ? nodes_[position].parent
                                                  : nodes_[position].reporter;
    }

    void find_trees() {
        std::map<InstanceId, std::size_t> unknown_trees;
        std::vector<std::size_t> path_position(nodes_.size(), no_node);
        for (std::size_t start = 0; start < nodes_.size(); ++start) {
            std::vector<std::size_t> path;
            std::size_t current = start;
            while (tree_of_[current] == no_node && path_position[current] == no_node) {
                path_position[current] = path.size();
                path.push_back(current);
                if (above(current) == no_node) {
                    break;
                }
                current = above(current);
            }
            std::size_t tree = tree_of_[current];
            if (tree == no_node && above(current) == no_node) {
                if (is_mere_name(current)) {
                    continue;
                }
                tree = tree_of_root(current, unknown_trees);
                path.pop_back();
            } else if (tree == no_node) {
                std::vector<std::size_t> ring(
                    path.begin() + static_cast<std::ptrdiff_t>(path_position[current]), path.end()
                );
                path.resize(path_position[current]);
                tree = tree_of_ring(std::move(ring));
            }
            for (auto position = path.rbegin(); position != path.rend(); ++position) {
                tree_of_[*position] = tree;
                out_.placements[*position].source = above(*position);
                out_.placements[*position].depth = out_.placements[above(*position)].depth + 1;
            }
        }
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (tree_of_[i] != no_node) {
                trees_[tree_of_[i]].members.push_back(i);
            }
        }
    }

    std::size_t tree_of_root(std::size_t root, std::map<InstanceId, std::size_t>& unknown_trees) {
        const auto& unknown = nodes_[root].unknown_parent;
        if (unknown.empty()) {
            trees_.push_back(Tree{});
            trees_.back().root = root;
            tree_of_[root] = trees_.size() - 1;
            return tree_of_[root];
        }
        const auto [found, added] = unknown_trees.emplace(unknown, trees_.size());
        if (added) {
            trees_.push_back(Tree{});
            trees_.back().unknown = unknown;
        }
        tree_of_[root] = found->second;
        out_.placements[root].depth = 1;
        return found->second;
    }

    std::size_t tree_of_ring(std::vector<std::size_t> ring) {
        const auto rank = [&](std::size_t position) {
            return std::make_tuple(
                !is_writable(position),
                !is_recorded_primary(position),
                // The partner is a replica too, on both sides.
                ~replicas_[position],
                std::cref(at(position).id)
            );
        };
        const auto top = std::min_element(ring.begin(), ring.end(), [&](auto a, auto b) {
            return rank(a) < rank(b);
        });
        const auto writable = std::count_if(ring.begin(), ring.end(), [&](std::size_t position) {
            return is_writable(position);
        });
        Tree tree;
        tree.root = *top;
        tree.ambiguous = writable > 1 && !is_recorded_primary(*top);
        // ring[i] follows ring[i + 1]; walk down from the root: who follows it, who follows that.
        const auto size = ring.size();
        const auto start = static_cast<std::size_t>(top - ring.begin());
        for (std::size_t step = 0; step < size; ++step) {
            const auto position = ring[(start + size - step) % size];
            auto& placement = out_.placements[position];
            placement.depth = static_cast<unsigned>(step);
            placement.source = step == 0 ? no_node : above(position);
            placement.is_co_primary = true;
            tree_of_[position] = trees_.size();
        }
        tree.ring = std::move(ring);
        trees_.push_back(std::move(tree));
        return trees_.size() - 1;
    }

    [[nodiscard]] bool is_recorded_primary(std::size_t position) const {
        const auto member = overlay_.membership.find(at(position).id);
        if (member == overlay_.membership.end()) {
            return false;
        }
        const auto record = overlay_.clusters.find(member->second);
        return record != overlay_.clusters.end() && record->second.primary == at(position).id;
    }

    /// The entry that says this server was replaced, while it is in force.
    [[nodiscard]] const Deposed* deposed(std::size_t position) const {
        const auto entry = overlay_.deposed.find(at(position).id);
        if (entry == overlay_.deposed.end()) {
            return nullptr;
        }
        const auto& uuid = at(position).state.identity.uuid;
        if (!entry->second.uuid.empty() && !uuid.empty() && entry->second.uuid != uuid) {
            return nullptr;  // another server at the address
        }
        const auto successor = position_.find(entry->second.successor);
        if (successor != position_.end() && successor->second != position &&
            tree_of_[successor->second] == tree_of_[position] &&
            out_.placements[position].depth == 0) {
            return nullptr;  // an operator has put it on top again
        }
        return &entry->second;
    }

    [[nodiscard]] std::string recorded_membership(std::size_t position) const {
        const auto found = overlay_.membership.find(at(position).id);
        return found == overlay_.membership.end() ? std::string{} : found->second;
    }

    [[nodiscard]] std::string majority_of(const Tree& tree) const {
        std::map<std::string, std::size_t> votes;
        for (const auto position : tree.members) {
            if (const auto id = recorded_membership(position); !id.empty()) {
                ++votes[id];
            }
        }
        std::string best;
        std::size_t most = 0;
        for (const auto& [id, count] : votes) {
            if (count > most) {
                best = id;
                most = count;
            }
        }
        return best;
    }

    void claim_ids() {
        for (auto& tree : trees_) {
            std::string own;
            if (tree.root != no_node) {
                if (const auto* entry = deposed(tree.root);
                    entry != nullptr && !entry->cluster_id.empty()) {
                    tree.id = entry->cluster_id;
                    continue;
                }
                own = recorded_membership(tree.root);
            }
            const auto majority = majority_of(tree);
            const auto size = recorded_size_.find(own);
            const bool own_is_strong =
                !own.empty() && (size->second >= 2 || tree.members.size() == 1);
            if (own_is_strong) {
                tree.id = own;
            } else if (!majority.empty()) {
                const auto for_majority = votes_for(tree, majority);
                tree.id = !own.empty() && for_majority < 2 ? own : majority;
            } else {
                tree.id = recorded_by_address(tree);
            }
        }
    }

    [[nodiscard]] std::size_t votes_for(const Tree& tree, const std::string& id) const {
        return static_cast<std::size_t>(std::count_if(
            tree.members.begin(),
            tree.members.end(),
            [&](std::size_t position) { return recorded_membership(position) == id; }
        ));
    }

    [[nodiscard]] std::string recorded_by_address(const Tree& tree) const {
        const auto& address = tree.root != no_node ? at(tree.root).id : tree.unknown;
        for (const auto& [id, record] : overlay_.clusters) {
            if (!record.primary.empty() && record.primary == address) {
                return id;
            }
        }
        return {};
    }

    /// The recorded primary, or who took its place.
    [[nodiscard]] InstanceId expected_primary(const std::string& id) const {
        const auto record = overlay_.clusters.find(id);
        if (record == overlay_.clusters.end()) {
            return {};
        }
        auto primary = record->second.primary;
        for (int hop = 0; hop < successor_hops; ++hop) {
            const auto position = position_.find(primary);
            if (position == position_.end()) {
                break;
            }
            const auto* entry = deposed(position->second);
            if (entry == nullptr || entry->successor.empty()) {
                break;
            }
            primary = entry->successor;
        }
        return primary;
    }

    [[nodiscard]] std::size_t living_replicas(const Tree& tree) const {
        if (tree.root != no_node) {
            return living_replicas_[tree.root];
        }
        return static_cast<std::size_t>(std::count_if(
            tree.members.begin(),
            tree.members.end(),
            [&](std::size_t position) {
                return nodes_[position].unknown_parent == tree.unknown && at(position).reachable();
            }
        ));
    }

    /// The recorded primary stays what it is while living replicas follow it; when it is dead, only
    /// as long as these are more than follow a living writable root of the same cluster.
    template <class Trees>
    [[nodiscard]] bool holds_on(const Tree& tree, const InstanceId& expected, const Trees& trees)
        const {
        if (tree.root == no_node || at(tree.root).id != expected ||
            living_replicas_[tree.root] == 0) {
            return false;
        }
        return at(tree.root).reachable() ||
               std::all_of(trees.begin(), trees.end(), [&](const Tree* other) {
                   return other->root == no_node || other->root == tree.root ||
                          !is_writable(other->root) ||
                          living_replicas_[other->root] < living_replicas_[tree.root];
               });
    }

    [[nodiscard]] const InstanceId& name_of(const Tree& tree) const {
        return tree.root != no_node ? at(tree.root).id : tree.unknown;
    }

    void settle_claims() {
        std::map<std::string, std::vector<Tree*>> claims;
        for (auto& tree : trees_) {
            if (!tree.id.empty()) {
                claims[tree.id].push_back(&tree);
            }
        }
        Splits still_split;
        for (auto& [id, trees] : claims) {
            if (trees.size() == 1) {
                continue;
            }
            const auto expected = expected_primary(id);
            const auto rank = [&, &cluster = id, &rivals = trees](const Tree* tree) {
                return std::make_tuple(
                    living_replicas(*tree) == 0,
                    tree->root != no_node && deposed(tree->root) != nullptr,
                    !holds_on(*tree, expected, rivals),
                    ~votes_for(*tree, cluster),
                    std::cref(name_of(*tree))
                );
            };
            const auto* main = *std::min_element(trees.begin(), trees.end(), [&](auto a, auto b) {
                return rank(a) < rank(b);
            });
            for (auto* tree : trees) {
                if (tree == main || tree->root == no_node || living_replicas(*tree) == 0 ||
                    deposed(tree->root) != nullptr) {
                    continue;
                }
                const auto& root = at(tree->root).id;
                const auto known = splits_.find(root);
                const auto since = known == splits_.end() ? now_ : known->second;
                const auto settles = since + split_settles_after;
                if (now_ < settles) {
                    still_split.emplace(root, since);
                    out_.due = out_.due == TimePoint{} ? settles : std::min(out_.due, settles);
                } else {
                    tree->id.clear();
                }
            }
        }
        splits_ = std::move(still_split);
    }

    void name_new_ones() {
        std::set<std::string> used;
        for (const auto& tree : trees_) {
            used.insert(tree.id);
        }
        for (auto& tree : trees_) {
            if (!tree.id.empty()) {
                continue;
            }
            auto seed = name_of(tree).text();
            if (tree.root != no_node) {
                seed += at(tree.root).state.identity.uuid;
            }
            const auto base = "c-" + hash_text(seed);
            tree.id = base;
            for (int suffix = 2; used.count(tree.id) != 0 || is_recorded_of_others(tree);
                 ++suffix) {
                tree.id = base + "-" + std::to_string(suffix);
            }
            used.insert(tree.id);
        }
    }

    /// The id was given to a cluster that other servers still remember to be theirs.
    [[nodiscard]] bool is_recorded_of_others(const Tree& tree) const {
        const auto size = recorded_size_.find(tree.id);
        return size != recorded_size_.end() && size->second > votes_for(tree, tree.id);
    }

    struct Choice {
        InstanceId primary;
        InstanceId name;
    };

    [[nodiscard]] Choice choose_primary(
        const std::string& id, const std::vector<const Tree*>& trees
    ) const {
        const auto expected = expected_primary(id);
        const auto rank = [&](const Tree* tree) {
            const auto root = tree->root;
            const bool is_expected = at(root).id == expected;
            return std::make_tuple(
                deposed(root) != nullptr,
                replicas_[root] == 0,
                !holds_on(*tree, expected, trees),
                !is_writable(root),
                ~replicas_[root],
                !is_expected,
                std::cref(at(root).id)
            );
        };
        const Tree* best = nullptr;
        for (const auto* tree : trees) {
            if (tree->root != no_node && (best == nullptr || rank(tree) < rank(best))) {
                best = tree;
            }
        }
        const bool only_deposed = best != nullptr && deposed(best->root) != nullptr;
        if (best == nullptr || (only_deposed && living_replicas_[best->root] == 0)) {
            return {InstanceId{}, expected.empty() ? name_of(*trees.front()) : expected};
        }
        // Replicas of a server not known yet have a primary, just not one that can be shown.
        const bool has_unknown = std::any_of(trees.begin(), trees.end(), [](const Tree* tree) {
            return tree->root == no_node;
        });
        if (has_unknown && replicas_[best->root] == 0 && at(best->root).id != expected) {
            return {InstanceId{}, expected.empty() ? name_of(*trees.front()) : expected};
        }
        const auto& name = at(best->root).id;
        return {best->ambiguous ? InstanceId{} : name, name};
    }

    void make_clusters() {
        std::map<std::string, std::vector<const Tree*>> by_id;
        for (const auto& tree : trees_) {
            by_id[tree.id].push_back(&tree);
        }
        for (const auto& [id, trees] : by_id) {
            const auto choice = choose_primary(id, trees);
            Cluster cluster;
            cluster.id = id;
            cluster.name = choice.name.text();
            cluster.primary = choice.primary;
            for (const auto* tree : trees) {
                for (const auto position : tree->members) {
                    cluster.members.push_back(at(position).id);
                }
            }
            std::sort(cluster.members.begin(), cluster.members.end());
            record(cluster);
            out_.clusters.push_back(std::move(cluster));
        }
        std::sort(out_.clusters.begin(), out_.clusters.end(), [](const auto& a, const auto& b) {
            return std::tie(a.name, a.id) < std::tie(b.name, b.id);
        });
        for (std::size_t number = 0; number < out_.clusters.size(); ++number) {
            for (const auto& member : out_.clusters[number].members) {
                out_.placements[position_.at(member)].cluster = number;
            }
        }
        choose_aliases();
    }

    void record(const Cluster& cluster) {
        const auto known = overlay_.clusters.find(cluster.id);
        if (known == overlay_.clusters.end() ||
            (!cluster.primary.empty() && known->second.primary != cluster.primary)) {
            auto changed = known == overlay_.clusters.end() ? ClusterRecord{} : known->second;
            changed.id = cluster.id;
            changed.primary = cluster.primary;
            out_.changed_records.push_back(std::move(changed));
        }
        for (const auto& member : cluster.members) {
            const auto remembered = overlay_.membership.find(member);
            if (remembered == overlay_.membership.end() || remembered->second != cluster.id) {
                out_.changed_membership.emplace_back(member, cluster.id);
            }
        }
    }

    /// An alias names one cluster. The operator's word first; a suggestion goes to the reachable,
    /// writable, biggest primary that claims it, as with orchestrator. The others keep their names.
    void choose_aliases() {
        struct Claim {
            std::string alias;
            Cluster* cluster;
            std::size_t primary;
            bool by_operator;
        };

        std::vector<Claim> claims;
        for (auto& cluster : out_.clusters) {
            cluster.alias = cluster.name;
            const auto primary = position_.find(cluster.primary);
            const auto position = primary == position_.end() ? no_node : primary->second;
            if (const auto known = overlay_.clusters.find(cluster.id);
                known != overlay_.clusters.end() && !known->second.alias.empty()) {
                claims.push_back({known->second.alias, &cluster, position, true});
            } else if (position != no_node) {
                const auto& suggested = at(position).state.identity.suggested_cluster_alias;
                if (!suggested.empty()) {
                    claims.push_back({suggested, &cluster, position, false});
                }
            }
        }
        std::sort(claims.begin(), claims.end(), [&](const Claim& a, const Claim& b) {
            const auto rank = [&](const Claim& claim) {
                const bool known = claim.primary != no_node;
                return std::make_tuple(
                    !claim.by_operator,
                    !(known && at(claim.primary).reachable()),
                    !(known && is_writable(claim.primary)),
                    ~(known ? replicas_[claim.primary] : 0U),
                    std::cref(claim.cluster->name)
                );
            };
            return rank(a) < rank(b);
        });
        std::set<std::string> taken;
        for (const auto& claim : claims) {
            if (taken.insert(claim.alias).second) {
                claim.cluster->alias = claim.alias;
            }
        }
    }

    const std::vector<Node>& nodes_;
    const Overlay& overlay_;
    Splits& splits_;
    TimePoint now_;
    Grouping out_;
    std::vector<Tree> trees_;
    std::vector<std::size_t> tree_of_;
    std::vector<unsigned> replicas_, living_replicas_;
    std::map<std::string, std::size_t> recorded_size_;
    std::map<InstanceId, std::size_t> position_;
};

}  // namespace

Grouping group(
    const std::vector<Node>& nodes, const Overlay& overlay, Splits& splits, TimePoint now
) {
    return Grouper(nodes, overlay, splits, now).run();
}

}  // namespace baton::topology
