// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/function_spec.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_space.h"
#include "bus/pci/function.h"
#include "bus/pci/registers.h"
#include "bus/pci/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// What Create() refuses, and that it says why. The BARs' own rules are
// bars_test's.
namespace ivshmem::pci {
namespace {

using ::testing::HasSubstr;

std::string CreateError(const FunctionSpec& spec,
                        const Function::Dependencies& dependencies = {}) {
  return std::string(Function::Create(spec, dependencies).status().message());
}

TEST(FunctionSpecTest, TheLeastFunctionIsValid) {
  EXPECT_EQ(CreateError({}), "");
}

// What a spec leaves out is 0, and there is nothing else.
TEST(FunctionSpecTest, TheLeastFunctionIsAllZeros) {
  const auto function = Function::Create({}, {});
  ASSERT_TRUE(function.ok());
  std::vector<uint8_t> config(ConfigSpace::kSize, 0xaa);
  (*function)->ConfigRead(0, absl::MakeSpan(config));
  EXPECT_EQ(config, std::vector<uint8_t>(ConfigSpace::kSize, 0));
}

TEST(FunctionSpecTest, VendorFfffMeansNoFunction) {
  EXPECT_THAT(CreateError({.vendor_id = 0xffff}),
              HasSubstr("vendor_id: expected a vendor, got 0xffff"));
}

TEST(FunctionSpecTest, ClassCodeHas24Bits) {
  EXPECT_EQ(CreateError({.class_code = 0xffffff}), "");
  EXPECT_EQ(CreateError({.class_code = 0x1000000}),
            "class_code: expected 24 bits, got 0x1000000");
}

TEST(FunctionSpecTest, BarsAreChecked) {
  FunctionSpec spec;
  spec.bars[2] = {.size = 1000};
  EXPECT_EQ(CreateError(spec),
            "bars[2].size: expected a power of two of at least 16, got 1000");
}

TEST(FunctionSpecTest, MsixHasUpTo2048Vectors) {
  EXPECT_EQ(CreateError({.msix_vectors = 1}), "");
  EXPECT_EQ(CreateError({.msix_vectors = 2048}), "");
  EXPECT_EQ(CreateError({.msix_vectors = 2049}),
            "msix_vectors: expected 0 to 2048, got 2049");
  EXPECT_EQ(CreateError({.msix_vectors = -1}),
            "msix_vectors: expected 0 to 2048, got -1");
}

TEST(FunctionSpecTest, MsixBarIsABar) {
  EXPECT_EQ(CreateError({.msix_vectors = 1, .msix_bar = 5}), "");
  EXPECT_EQ(CreateError({.msix_vectors = 1, .msix_bar = 6}),
            "msix_bar: expected 0 to 5, got 6");
  EXPECT_EQ(CreateError({.msix_vectors = 1, .msix_bar = -1}),
            "msix_bar: expected 0 to 5, got -1");
}

// The first BAR may be MSI-X's: no other holds its upper half, whatever else
// the function is.
TEST(FunctionSpecTest, MsixMayHaveTheFirstBar) {
  const auto function = Function::Create({.class_code = 0xffffff,
                                          .multi_function = true,
                                          .msix_vectors = 1,
                                          .msix_bar = 0},
                                         {});
  ASSERT_TRUE(function.ok()) << function.status();
  EXPECT_EQ((*function)->BarSize(0), 0x1000u);
  EXPECT_EQ(ReadConfig<uint32_t>(**function, kMsixTable), 0u);
}

TEST(FunctionSpecTest, MsixBarIsFree) {
  FunctionSpec spec = {.msix_vectors = 1, .msix_bar = 1};
  spec.bars[1] = {.size = 0x1000};
  EXPECT_EQ(CreateError(spec),
            "msix_bar: expected a BAR that `bars` leaves free, got 1");
  spec.bars[1].reset();
  spec.bars[0] = {.size = 0x1000, .is_64bit = true};
  EXPECT_EQ(CreateError(spec),
            "msix_bar: expected a BAR that `bars` leaves free, got 1, which "
            "holds the upper half of bars[0]");
  spec.bars[0] = {.size = 0x1000};
  EXPECT_EQ(CreateError(spec), "");
}

TEST(FunctionSpecTest, MsixBarIsIgnoredWithoutVectors) {
  FunctionSpec spec = {.msix_bar = 77};
  EXPECT_EQ(CreateError(spec), "");
}

TEST(FunctionDependenciesTest, IntxNeedsASource) {
  EXPECT_EQ(CreateError({.intx = true}),
            "dependencies.intx_source: expected one because spec.intx is set, "
            "got null");
  FakeIntxSource source;
  EXPECT_EQ(CreateError({.intx = true}, {.intx_source = &source}), "");
}

// A handler that nothing could ever reach is a mistake of whoever made it.
TEST(FunctionDependenciesTest, AHandlerNeedsABar) {
  FakeBar handler;
  for (int bar = 0; bar < kBars; ++bar) {
    Function::Dependencies one;
    one.bars[bar] = &handler;
    EXPECT_THAT(CreateError({}, one),
                HasSubstr(absl::StrCat("dependencies.bars[", bar, "]")));
  }
  Function::Dependencies dependencies;
  dependencies.bars[1] = &handler;
  EXPECT_EQ(CreateError({}, dependencies),
            "dependencies.bars[1]: expected null because spec.bars[1] is not "
            "set, got a handler");
  EXPECT_THAT(CreateError({.msix_vectors = 1, .msix_bar = 1}, dependencies),
              HasSubstr("dependencies.bars[1]"));
  FunctionSpec spec;
  spec.bars[1] = {.size = 16};
  EXPECT_EQ(CreateError(spec, dependencies), "");
}

}  // namespace
}  // namespace ivshmem::pci
