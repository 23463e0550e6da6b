// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PROTOCOL_TOKEN_H_
#define IVSHMEM_CORE_PROTOCOL_TOKEN_H_

#include <utility>

namespace ivshmem::protocol {

// Stands for a handle in tests: has a number, can be moved but not copied, and
// is counted as long as somebody owns it.
class Token {
 public:
  // Adds one to `*living`, which outlives the token, until it is destroyed.
  Token(int number, int* living) : number_(number), living_(living) {
    ++*living_;
  }
  Token(Token&& other) noexcept
      : number_(other.number_),
        living_(std::exchange(other.living_, nullptr)) {}
  Token& operator=(Token&& other) noexcept {
    std::swap(number_, other.number_);
    std::swap(living_, other.living_);
    return *this;
  }
  ~Token() {
    if (living_ != nullptr) --*living_;
  }

  int number() const { return number_; }

 private:
  int number_;
  int* living_;
};

}  // namespace ivshmem::protocol

#endif  // IVSHMEM_CORE_PROTOCOL_TOKEN_H_
