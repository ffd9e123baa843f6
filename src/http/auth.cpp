// SPDX-License-Identifier: Apache-2.0
#include "baton/http/auth.hpp"

#include "baton/base/text.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

namespace baton::http {

namespace {

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::optional<Credentials> basic_credentials(const Headers& headers) {
    constexpr std::size_t longest = 4096;
    const auto value = headers.get("Authorization");
    const auto blank = value.find(' ');
    if (blank == std::string_view::npos || value.size() > longest ||
        !equal_ignoring_case(value.substr(0, blank), "basic")) {
        return std::nullopt;
    }
    const auto encoded = trim(value.substr(blank + 1));
    if (encoded.empty() || encoded.size() % 4 != 0) {
        return std::nullopt;
    }
    std::string decoded(encoded.size(), '\0');
    const int written = EVP_DecodeBlock(
        reinterpret_cast<unsigned char*>(decoded.data()),
        bytes_of(encoded),
        static_cast<int>(encoded.size())
    );
    if (written < 0) {
        return std::nullopt;
    }
    // OpenSSL counts the padding as data.
    const auto last = encoded.find_last_not_of('=');
    const auto padding = encoded.size() - (last == std::string_view::npos ? 0 : last + 1);
    if (padding > 2) {
        return std::nullopt;
    }
    decoded.resize(static_cast<std::size_t>(written) - padding);
    const auto colon = decoded.find(':');
    if (colon == std::string::npos) {
        return std::nullopt;
    }
    Credentials result;
    result.user = decoded.substr(0, colon);
    result.password = decoded.substr(colon + 1);
    return result;
}

std::string basic_authorization(std::string_view user, std::string_view password) {
    const auto plain = std::string(user) + ":" + std::string(password);
    std::string encoded((plain.size() + 2) / 3 * 4 + 1, '\0');
    const int written = EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(encoded.data()),
        bytes_of(plain),
        static_cast<int>(plain.size())
    );
    encoded.resize(static_cast<std::size_t>(written));
    return "Basic " + encoded;
}

bool equal_secrets(std::string_view a, std::string_view b) {
    // Digests have one length, so that not even the length of the secret shows.
    std::array<unsigned char, SHA256_DIGEST_LENGTH> left{};
    std::array<unsigned char, SHA256_DIGEST_LENGTH> right{};
    SHA256(bytes_of(a), a.size(), left.data());
    SHA256(bytes_of(b), b.size(), right.data());
    return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace baton::http
