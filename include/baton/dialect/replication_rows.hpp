// SPDX-License-Identifier: Apache-2.0
#pragma once

// SHOW REPLICA STATUS, SHOW SLAVE STATUS and SHOW ALL SLAVES STATUS as channels, whatever the
// columns are called and in whatever order they come.

#include "baton/dialect/result_rows.hpp"
#include "baton/topology/instance.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace baton::dialect {

/// Finds the columns once and again only when their names change: looking up forty names among
/// sixty for each poll would cost more than all the rest of it.
class ReplicationRows {
public:
    /// Rows without a source host (MySQL keeps one after RESET REPLICA ALL FOR CHANNEL '') are left
    /// out, as are the channels of Group Replication, which are not ours to manage.
    std::vector<topology::Channel> channels(const ResultRows& rows);

    /// MariaDB: Gtid_Slave_Pos, the same in each row; "" when there is no row.
    std::string gtid_slave_pos(const ResultRows& rows);

    static constexpr std::size_t column_count = 62;

private:
    void learn(const std::vector<std::string>& columns);

    std::vector<std::string> known_;
    std::array<std::size_t, column_count> index_{};
};

}  // namespace baton::dialect
