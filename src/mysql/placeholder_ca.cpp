// SPDX-License-Identifier: Apache-2.0
#include "native.hpp"

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>
#include <sys/mman.h>
#include <unistd.h>

namespace baton::mysql {

namespace {

/// A self-signed certificate of a key that is forgotten at once, in an anonymous file.
std::string make_placeholder() {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        EVP_EC_gen("P-256"), &EVP_PKEY_free
    );
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
    if (!key || !certificate) {
        return {};
    }
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 1);
    X509_set_pubkey(certificate.get(), key.get());
    if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) {
        return {};
    }
    const int descriptor = ::memfd_create("placeholder-ca.pem", MFD_CLOEXEC);
    if (descriptor < 0) {
        return {};
    }
    const int copy = ::dup(descriptor);
    std::FILE* file = copy < 0 ? nullptr : ::fdopen(copy, "w");
    const bool written = file != nullptr && PEM_write_X509(file, certificate.get()) == 1;
    const bool flushed = file != nullptr && std::fclose(file) == 0;
    if (!written || !flushed) {
        ::close(descriptor);
        return {};
    }
    return fmt::format("/proc/self/fd/{}", descriptor);  // stays open for the life of the process
}

}  // namespace

const std::string& placeholder_ca_file() {
    static const std::string path = make_placeholder();
    return path;
}

}  // namespace baton::mysql
