// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_WORDS_H_
#define IVSHMEM_SCRIPT_WORDS_H_

#include <string>

#include "proto/script.pb.h"

namespace ivshmem::script {

// For people, on one line: "pc writes 0x20000 to registers+0xc",
// "peer 2 joins with 1 vector".
std::string InWords(const Step& step);

// "peer 2 rung at vector 0", "line of pc high".
std::string InWords(const Ring& ring);
std::string InWords(const Message& message);
std::string InWords(const Line& line);
std::string InWords(const Pulse& pulse);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_WORDS_H_
