// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// usage: TARGET CORPUS_FOLDER RANDOM_INPUTS
//
// Runs a fuzz target without a fuzzer: each file of its corpus, by name, and so
// many random inputs, which are the same each time. The target ends the process
// where something does not hold; the input is then in the file `input` of
// $TEST_UNDECLARED_OUTPUTS_DIR (Bazel: bazel-testlogs/.../test.outputs), which
// a libFuzzer binary takes as argument.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;

// A fuzzer's inputs are short; some here are long.
constexpr int kLengths[] = {8, 64, 256, 1024};

class Runner {
 public:
  Runner() {
    if (const char* folder = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR")) {
      kept_ = fs::path(folder) / "input";
    }
  }
  ~Runner() {
    if (!kept_.empty()) fs::remove(kept_);
  }

  void Run(const std::vector<uint8_t>& input) {
    if (!kept_.empty()) {
      std::ofstream(kept_, std::ios::binary)
          .write(reinterpret_cast<const char*>(input.data()),
                 static_cast<std::streamsize>(input.size()));
    }
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }

 private:
  fs::path kept_;  // The input that is being run.
};

std::vector<fs::path> Files(const char* folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<uint8_t> Read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int argc, char** argv) {
  const int random_inputs = argc == 3 ? std::atoi(argv[2]) : -1;
  if (random_inputs < 0) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER RANDOM_INPUTS\n", argv[0]);
    return 2;
  }
  Runner runner;
  const std::vector<fs::path> corpus = Files(argv[1]);
  for (const fs::path& file : corpus) runner.Run(Read(file));

  std::mt19937 random(1);  // NOLINT: the same each time.
  for (int i = 0; i < random_inputs; ++i) {
    std::vector<uint8_t> input(random() % kLengths[i % std::size(kLengths)]);
    std::generate(input.begin(), input.end(),
                  [&] { return static_cast<uint8_t>(random()); });
    runner.Run(input);
  }
  std::printf("%zu inputs of the corpus and %d random ones\n", corpus.size(),
              random_inputs);
  return corpus.empty() ? 1 : 0;
}
