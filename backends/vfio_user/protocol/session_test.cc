// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/vfio_user/protocol/session.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "backends/vfio_user/protocol/fake_model.h"
#include "backends/vfio_user/protocol/version.h"
#include "backends/vfio_user/protocol/wire.h"
#include "gtest/gtest.h"

namespace ivshmem::vfio_user {
namespace {

using Bytes = std::vector<uint8_t>;

template <typename T>
Bytes BytesOf(const T& value, const Bytes& rest = {}) {
  Bytes bytes;
  Append(value, bytes);
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

Bytes VersionOf(uint16_t major, uint16_t minor, const std::string& json) {
  return BytesOf(Version{.major = major, .minor = minor},
                 Bytes(json.begin(), json.end()));
}

// A text with its zero byte.
std::string Ended(const std::string& json) { return json + '\0'; }

class SessionTest : public testing::Test {
 protected:
  // Asks; false when that ends the connection.
  bool Ask(uint16_t command, const Bytes& payload, uint32_t flags = 0,
           std::vector<UniqueFd> fds = {}) {
    const Header header = {
        .id = 77,
        .command = command,
        .size = static_cast<uint32_t>(sizeof(Header) + payload.size()),
        .flags = flags};
    const auto size = session_->PayloadSize(header);
    if (!size.ok()) return false;
    EXPECT_EQ(*size, payload.size());
    if (!session_->Handle(header, payload, std::move(fds), reply_).ok()) {
      return false;
    }
    if ((flags & Header::kNoReply) != 0) {
      EXPECT_TRUE(reply_.bytes.empty());
      return true;
    }
    const auto answer = Load<Header>(reply_.bytes);
    EXPECT_TRUE(answer.has_value());
    EXPECT_EQ(answer->id, 77);
    EXPECT_EQ(answer->command, command);
    EXPECT_EQ(answer->size, reply_.bytes.size());
    EXPECT_EQ(answer->flags, answer->error == 0
                                 ? Header::kReply
                                 : Header::kReply | Header::kError);
    EXPECT_TRUE(answer->error == 0 || reply_.bytes.size() == sizeof(Header));
    return true;
  }
  bool Ask(Command command, const Bytes& payload, uint32_t flags = 0) {
    return Ask(static_cast<uint16_t>(command), payload, flags);
  }
  uint32_t error() const { return Load<Header>(reply_.bytes)->error; }
  Bytes payload() const {
    return {reply_.bytes.begin() + sizeof(Header), reply_.bytes.end()};
  }

  void Greet() {
    ASSERT_TRUE(Ask(Command::kVersion, VersionOf(0, 0, "")));
    ASSERT_EQ(error(), 0u);
  }

  FakeModel model_;
  std::optional<Session> session_{model_};
  Reply reply_;
};

class VersionTest : public SessionTest {
 protected:
  // The errno that a client's JSON gets from a new session.
  uint32_t ErrorOf(const std::string& json) {
    session_.emplace(model_);
    EXPECT_TRUE(Ask(Command::kVersion, VersionOf(0, 1, json)));
    EXPECT_EQ(reply_.last, error() != 0);
    return error();
  }
};

// The answer's minor is the smaller one.
TEST_F(VersionTest, AgreesOnTheSmallerMinor) {
  const std::string json = Ended(R"({"capabilities":{"max_msg_fds":16,)"
                                 R"("max_data_xfer_size":1048576}})");
  for (const auto& [asked, given] :
       {std::pair<uint16_t, uint16_t>{0, 0}, {1, 1}, {2, 1}, {0xffff, 1}}) {
    session_.emplace(model_);
    ASSERT_TRUE(Ask(Command::kVersion, VersionOf(0, asked, Ended("{}"))));
    EXPECT_EQ(payload(), VersionOf(0, given, json));
  }
}

// Another major is none that we speak: said, and then it is over.
TEST_F(VersionTest, RefusesAnotherMajor) {
  ASSERT_TRUE(Ask(Command::kVersion, VersionOf(1, 0, Ended("{}"))));
  EXPECT_EQ(error(), static_cast<uint32_t>(EINVAL));
  EXPECT_TRUE(reply_.last);
}

TEST_F(VersionTest, UnderstandsAllCapabilities) {
  for (const std::string json :
       {R"({})", R"({"capabilities":{}})",
        R"({"capabilities":{"max_msg_fds":1,"max_data_xfer_size":1048576,)"
        R"("migration":{"pgsize":4096}}})",
        R"({"other":[1,{"max_msg_fds":"x"}],"capabilities":{"max_msg_fds":0}})",
        R"({"max_msg_fds":"x","capabilities":{"x":{"max_msg_fds":null}}})",
        R"({"capabilities":{"max_msg_fds":2},"x":{"max_msg_fds":"x"}})",
        R"({"capabilities":{"a":[{"max_msg_fds":2},[],"x",{}],"b":[[1]]}})",
        R"( {"capabilities":{"a":1.5,"b":-1,"c":true,"d":null,"e":"f"}} )"}) {
    EXPECT_EQ(ErrorOf(Ended(json)), 0u) << json;
  }
}

// JSON of other types, other forms and other depths than there are.
TEST_F(VersionTest, RefusesWhatMakesNoSense) {
  std::string deep = "1";
  for (int i = 0; i < 2000; ++i) deep = "[" + deep + "]";
  for (const std::string& json :
       {std::string("{"), std::string("1"), std::string("null"),
        std::string("[]"), std::string("\"x\""), std::string(""),
        std::string("{} {}"), std::string("{}x"), std::string("\xff"),
        std::string(R"({"capabilities":1})"),
        std::string(R"({"capabilities":[]})"),
        std::string(R"({"capabilities":null})"),
        std::string(R"({"capabilities":{"max_msg_fds":-1}})"),
        std::string(R"({"capabilities":{"max_msg_fds":"1"}})"),
        std::string(R"({"capabilities":{"max_msg_fds":1.0}})"),
        std::string(R"({"capabilities":{"max_msg_fds":{}}})"),
        std::string(R"({"capabilities":{"max_msg_fds":[1]}})"),
        absl::StrCat(R"({"x":)", deep, "}")}) {
    EXPECT_EQ(ErrorOf(Ended(json)), static_cast<uint32_t>(EINVAL)) << json;
  }
  // It ends in one zero byte.
  EXPECT_EQ(ErrorOf("{}"), static_cast<uint32_t>(EINVAL));
  EXPECT_EQ(ErrorOf(Ended(Ended("{}"))), static_cast<uint32_t>(EINVAL));
}

// Eight levels, and no more.
TEST_F(VersionTest, BoundsTheDepth) {
  const auto nested = [](int levels) {
    std::string json;
    for (int i = 0; i < levels; ++i) json += R"({"a":)";
    json += "1";
    for (int i = 0; i < levels; ++i) json += "}";
    return Ended(json);
  };
  EXPECT_EQ(ErrorOf(nested(8)), 0u);
  EXPECT_EQ(ErrorOf(nested(9)), static_cast<uint32_t>(EINVAL));
}

// How many descriptors a client takes is clamped to what there can be.
TEST(Agree, ReadsHowManyDescriptorsAClientTakes) {
  const auto fds = [](const std::string& number) {
    const auto agreement =
        Agree(VersionOf(0, 1,
                        Ended(absl::StrCat(R"({"capabilities":{"max_msg_fds":)",
                                           number, "}}"))));
    EXPECT_TRUE(agreement.ok()) << agreement.status();
    return agreement->client_fds;
  };
  EXPECT_EQ(fds("0"), 1u);
  EXPECT_EQ(fds("5"), 5u);
  EXPECT_EQ(fds("16"), 16u);
  EXPECT_EQ(fds("17"), 16u);
  EXPECT_EQ(fds("18446744073709551615"), 16u);
  EXPECT_EQ(Agree(VersionOf(0, 1, ""))->client_fds, 1u);
  // One that is not in the capabilities is another.
  EXPECT_EQ(Agree(VersionOf(0, 1, Ended(R"({"max_msg_fds":5})")))->client_fds,
            1u);
}

// VERSION comes first, and once.
TEST_F(SessionTest, BeginsWithVersion) {
  for (uint16_t command = 0; command < 20; ++command) {
    if (command == 1) continue;
    EXPECT_FALSE(Ask(command, {}));
  }
  Greet();
  EXPECT_FALSE(Ask(Command::kVersion, VersionOf(0, 0, "")));
}

// Sizes are looked at before anything is kept for them.
TEST_F(SessionTest, BoundsMessages) {
  const auto size = [&](uint16_t command, uint32_t bytes) {
    return session_->PayloadSize({.command = command, .size = bytes});
  };
  EXPECT_FALSE(size(1, 0).ok());
  EXPECT_FALSE(size(1, 15).ok());
  EXPECT_EQ(*size(1, 16), 0u);
  EXPECT_EQ(*size(1, 16 + 4096), 4096u);
  EXPECT_FALSE(size(1, 16 + 4097).ok());
  EXPECT_FALSE(size(1, 0xffffffff).ok());
  Greet();
  EXPECT_FALSE(size(10, 15).ok());
  EXPECT_EQ(*size(10, 32 + (1 << 20)), 16u + (1 << 20));
  EXPECT_FALSE(size(10, 33 + (1 << 20)).ok());
  EXPECT_FALSE(size(10, 0xffffffff).ok());
}

// Only requests come from clients.
TEST_F(SessionTest, TakesRequestsAlone) {
  Greet();
  for (uint32_t type = 1; type < 16; ++type) {
    EXPECT_FALSE(Ask(Command::kReset, {}, type));
  }
  EXPECT_TRUE(Ask(Command::kReset, {}));
}

// Descriptors belong to two commands.
TEST_F(SessionTest, TakesDescriptorsWhereTheyBelong) {
  const auto fds = [](int count) {
    std::vector<UniqueFd> fds;
    for (int i = 0; i < count; ++i) fds.emplace_back(dup(0));
    return fds;
  };
  const auto takes = [&](uint16_t command, int count) {
    return Ask(command, Bytes(32), 0, fds(count));
  };
  EXPECT_FALSE(Ask(1, VersionOf(0, 0, ""), 0, fds(1)));
  Greet();
  for (uint16_t command = 2; command < 20; ++command) {
    EXPECT_EQ(takes(command, 1), command == 2 || command == 8) << command;
  }
  EXPECT_FALSE(takes(2, 2));
  EXPECT_TRUE(takes(8, 16));
}

// What nobody knows is not supported; the conversation goes on.
TEST_F(SessionTest, DoesNotKnowOthers) {
  Greet();
  for (const uint16_t command : {0, 11, 12, 14, 16, 17, 18, 19, 0xffff}) {
    ASSERT_TRUE(Ask(command, Bytes(64)));
    EXPECT_EQ(error(), static_cast<uint32_t>(ENOTSUP)) << command;
  }
  EXPECT_TRUE(Ask(Command::kReset, {}));
}

// Each command has its payload: shorter ones, and longer ones where the size is
// fixed, are errors and change nothing.
TEST_F(SessionTest, RefusesOtherSizes) {
  Greet();
  struct Size {
    Command command;
    size_t least;
    bool fixed;
  };
  for (const auto& [command, least, fixed] :
       {Size{Command::kDmaMap, 32, true}, Size{Command::kDmaUnmap, 24, true},
        Size{Command::kGetInfo, 16, false},
        Size{Command::kGetRegionInfo, 32, false},
        Size{Command::kGetRegionIoFds, 16, false},
        Size{Command::kGetIrqInfo, 16, false},
        Size{Command::kSetIrqs, 20, false},
        Size{Command::kRegionRead, 16, true},
        Size{Command::kRegionWrite, 17, true}, Size{Command::kReset, 0, true},
        Size{Command::kWriteMulti, 8, true}}) {
    // One byte, where a count is read.
    Bytes payload(least + 1);
    if (payload.size() > 12) payload[12] = 1;
    for (size_t size = 0; size < least; ++size) {
      ASSERT_TRUE(Ask(command, Bytes(payload.begin(), payload.begin() + size)));
      EXPECT_EQ(error(), static_cast<uint32_t>(EINVAL)) << size;
    }
    if (!fixed) continue;
    ASSERT_TRUE(Ask(command, payload));
    EXPECT_EQ(error(), static_cast<uint32_t>(EINVAL))
        << static_cast<int>(command);
  }
  EXPECT_EQ(model_.log, "");
}

// Who has less room than the answer needs is an error; more is fine.
TEST_F(SessionTest, LooksAtTheRoomForAnswers) {
  Greet();
  const auto ask = [&](Command command, uint32_t argsz, size_t size) {
    Bytes payload(size);
    std::memcpy(payload.data(), &argsz, sizeof(argsz));
    EXPECT_TRUE(Ask(command, payload));
    return error();
  };
  for (const auto& [command, size] : {std::pair{Command::kGetInfo, 16u},
                                      {Command::kGetIrqInfo, 16u},
                                      {Command::kGetRegionInfo, 32u},
                                      {Command::kGetRegionIoFds, 16u}}) {
    EXPECT_EQ(ask(command, size - 1, size), static_cast<uint32_t>(EINVAL));
    EXPECT_EQ(ask(command, 0, size), static_cast<uint32_t>(EINVAL));
    EXPECT_EQ(ask(command, size, size), 0u);
    EXPECT_EQ(ask(command, 0xffffffff, size), 0u);
    EXPECT_EQ(ask(command, 80, 80), 0u);
  }
}

// DMA is nothing that the device does: all is said to be well.
TEST_F(SessionTest, TakesDmaForGranted) {
  Greet();
  ASSERT_TRUE(Ask(Command::kDmaMap, BytesOf(DmaMap{.argsz = 32})));
  EXPECT_EQ(error(), 0u);
  EXPECT_EQ(payload(), Bytes{});
  const Bytes unmap =
      BytesOf(DmaUnmap{.argsz = 24, .flags = 0, .address = 5, .size = 6});
  ASSERT_TRUE(Ask(Command::kDmaUnmap, unmap));
  EXPECT_EQ(payload(), unmap);
}

// Regions that there can be, up to the limit; the rest are errors.
TEST_F(SessionTest, RefusesOtherAccesses) {
  Greet();
  const auto read = [&](uint32_t region, uint32_t count) {
    EXPECT_TRUE(Ask(Command::kRegionRead,
                    BytesOf(RegionAccess{.region = region, .count = count})));
    return error();
  };
  EXPECT_EQ(read(8, 4), 0u);
  for (const uint32_t region : {9u, 10u, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(read(region, 4), static_cast<uint32_t>(EINVAL));
  }
  EXPECT_EQ(read(0, 0), static_cast<uint32_t>(EINVAL));
  EXPECT_EQ(read(0, kMostData), 0u);
  EXPECT_EQ(reply_.bytes.size(), kMostMessage);
  EXPECT_EQ(read(0, kMostData + 1), static_cast<uint32_t>(EINVAL));
  EXPECT_EQ(read(0, 0xffffffff), static_cast<uint32_t>(EINVAL));
  const auto write = [&](uint32_t region, uint32_t count, size_t data) {
    EXPECT_TRUE(Ask(
        Command::kRegionWrite,
        BytesOf(RegionAccess{.region = region, .count = count}, Bytes(data))));
    return error();
  };
  EXPECT_EQ(write(0, 4, 5), static_cast<uint32_t>(EINVAL));
  EXPECT_EQ(write(0, 4, 3), static_cast<uint32_t>(EINVAL));
  EXPECT_EQ(write(0, 0, 0), static_cast<uint32_t>(EINVAL));
  EXPECT_EQ(write(9, 4, 4), static_cast<uint32_t>(EINVAL));
  EXPECT_EQ(write(0, kMostData, kMostData), 0u);
}

// The part of an access that is inside reaches the device, and only that.
TEST_F(SessionTest, CutsAccessesAtTheRegionsEnd) {
  Greet();
  const auto read = [&](uint64_t offset, uint32_t count) {
    EXPECT_TRUE(Ask(Command::kRegionRead,
                    BytesOf(RegionAccess{.offset = offset, .count = count})));
    Bytes data = payload();
    data.erase(data.begin(), data.begin() + sizeof(RegionAccess));
    return data;
  };
  const uint64_t size = FakeModel::kSize;
  EXPECT_EQ(read(size - 2, 2), (Bytes{0xee, 0xee}));
  EXPECT_EQ(read(size - 2, 4), (Bytes{0xee, 0xee, 0, 0}));
  EXPECT_EQ(read(size, 2), (Bytes{0, 0}));
  EXPECT_EQ(read(~uint64_t{0}, 2), (Bytes{0, 0}));
  EXPECT_EQ(model_.log,
            absl::StrCat("read 0 ", size - 2, " 2\nread 0 ", size - 2, " 2\n"));
  model_.log.clear();
  ASSERT_TRUE(
      Ask(Command::kRegionWrite,
          BytesOf(RegionAccess{.offset = size - 1, .count = 4}, Bytes(4))));
  ASSERT_TRUE(Ask(
      Command::kRegionWrite,
      BytesOf(RegionAccess{.offset = ~uint64_t{0} - 1, .count = 4}, Bytes(4))));
  EXPECT_EQ(model_.log, absl::StrCat("write 0 ", size - 1, " 1\n"));
}

// What a reply says is of one message, whatever was said before.
TEST_F(SessionTest, ForgetsTheLastReply) {
  Greet();
  ASSERT_TRUE(Ask(Command::kRegionRead,
                  BytesOf(RegionAccess{.offset = 0, .count = 4})));
  ASSERT_TRUE(Ask(Command::kRegionRead,
                  BytesOf(RegionAccess{.offset = 9999, .count = 4})));
  EXPECT_EQ(Load<uint32_t>(absl::MakeConstSpan(reply_.bytes).subspan(32)), 0u);
  ASSERT_TRUE(Ask(Command::kGetRegionInfo,
                  BytesOf(RegionInfo{.argsz = 32, .index = 2})));
  EXPECT_EQ(reply_.fds.size(), 1u);
  ASSERT_TRUE(Ask(Command::kReset, {}, Header::kNoReply));
  EXPECT_TRUE(reply_.fds.empty());
  EXPECT_EQ(model_.log, "read 0 0 4\nreset\n");
}

}  // namespace
}  // namespace ivshmem::vfio_user
