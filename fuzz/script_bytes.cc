// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// usage: script_bytes to-script|to-bytes < FILE
//
// Makes an input of the fuzzers that play Scripts a Script in text form; or the
// other way, which drops what the bytes cannot say (script/bytes.h).

#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "script/bytes.h"
#include "script/text.h"

int main(int argc, char** argv) {
  const absl::string_view way = argc == 2 ? argv[1] : "";
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  if (way == "to-script") {
    const std::vector<uint8_t> bytes(input.begin(), input.end());
    std::cout << ivshmem::script::PrintScript(ivshmem::script::Decode(bytes));
    return 0;
  }
  if (way != "to-bytes") {
    std::cerr << "usage: script_bytes to-script|to-bytes < FILE\n";
    return 2;
  }
  const auto script = ivshmem::script::ParseScript(input);
  if (!script.ok()) {
    std::cerr << "script_bytes: " << script.status().message() << "\n";
    return 2;
  }
  for (const uint8_t byte : ivshmem::script::Encode(*script)) {
    std::cout.put(static_cast<char>(byte));
  }
  return 0;
}
