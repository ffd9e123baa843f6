// SPDX-License-Identifier: Apache-2.0
#pragma once

// Values and names in SQL text. Pure. The connection's character set is utf8mb4 (see
// ConnectOptions), so no multi-byte character can hold a quote or backslash byte.

#include <string>
#include <string_view>

namespace baton::mysql {

/// A string expression that is safe whatever sql_mode says (NO_BACKSLASH_ESCAPES, ANSI_QUOTES).
///
/// Text of valid UTF-8 without backslash and control characters becomes 'text' with quotes doubled,
/// which both modes read alike. Text with those becomes _utf8mb4 X'..'; bytes that are not UTF-8
/// become X'..' (a binary string). Both are expressions: not allowed where the grammar wants a bare
/// literal (CHANGE REPLICATION SOURCE TO, CREATE USER); there use quote_literal().
std::string quote_text(std::string_view text);

/// A bare quoted literal: quotes and backslashes doubled. Only for sessions without
/// NO_BACKSLASH_ESCAPES; the module that connects sets sql_mode at session start.
std::string quote_literal(std::string_view text);

/// `name` with back-ticks doubled. Independent of sql_mode.
std::string quote_identifier(std::string_view name);

}  // namespace baton::mysql
