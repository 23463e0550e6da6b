// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_IDENTITY_H_
#define IVSHMEM_BACKENDS_LINUX_IDENTITY_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace ivshmem {

// By which a server knows a client again, though no message of the protocol
// goes from client to server: the client's socket has an abstract name, which
// says "ivshmem-" and 32 random lower case hexadecimal digits, the identity.
// Servers and clients that know nothing of this do not notice.
//
// Names of sockets can be read by every user of the machine, so an identity
// counts only together with the user who came with it.

// 128 random bits.
std::string RandomIdentity();

bool IsIdentity(absl::string_view text);

// The abstract name that says `identity`.
std::string IdentityName(absl::string_view identity);

// The identity that the abstract name `name` says; nullopt for another name.
std::optional<std::string> IdentityOf(absl::string_view name);

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_IDENTITY_H_
