// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Clients that do what none should, at a real socket: no harm is done, and the
// next client is served.

#include "backends/vfio_user/protocol/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/descriptor_limit.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "backends/vfio_user/protocol/fake_model.h"
#include "gtest/gtest.h"
#include "server/server_fixture.h"
#include "testing/vfio_user/client.h"
#include "testing/vfio_user/served_model.h"

namespace ivshmem::vfio_user {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(20);

using Event = Server::Event;

class ServerTest : public testing::Test {
 protected:
  explicit ServerTest(absl::Duration patience = absl::Seconds(100))
      : served_(model_, {.patience = patience}) {
    open_ = OpenFds().size();
  }
  // Nobody is there any more, and nothing of them is left.
  ~ServerTest() override {
    EXPECT_TRUE(Until([&] { return OpenFds().size() == open_; }));
    // There is room for a good client.
    Client good(served_.path());
    good.Greet();
    EXPECT_EQ(good.Read(0, 0, 4), 0xeeeeeeeeu);
  }

  static bool Until(const std::function<bool()>& condition) {
    const absl::Time end = absl::Now() + kDeadline;
    while (!condition()) {
      if (absl::Now() > end) return false;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return true;
  }
  std::unique_ptr<Client> Connect() const {
    return std::make_unique<Client>(served_.path());
  }
  std::unique_ptr<Client> Greeted() const {
    auto client = Connect();
    client->Greet();
    return client;
  }
  static std::vector<int> Copies(int count) {
    return std::vector<int>(count, STDERR_FILENO);
  }
  static std::vector<uint8_t> Message(uint16_t command,
                                      const std::vector<uint8_t>& payload,
                                      uint32_t flags = 0) {
    return Client::Bytes(1, command, flags, payload);
  }
  // What was sent has been handled: the second piece of work is given when the
  // dispatch that had the first, and that, is over.
  void Handled() {
    served_.OnLoop([] {});
    served_.OnLoop([] {});
  }
  // The server ends the connection.
  void ExpectEnd(Client& client, uint64_t ended = 1) {
    EXPECT_FALSE(client.Receive().has_value());
    EXPECT_TRUE(Until([&] { return served_.count(Event::kEnded) == ended; }));
  }

  FakeModel model_;
  size_t open_ = 0;
  ServedModel served_;
};

// A client that leaves is not missed, and the next one is served at once.
TEST_F(ServerTest, ServesOneAfterTheOther) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Greeted()->Read(0, 0, 2), 0xeeeeu);
  EXPECT_TRUE(Until([&] { return served_.count(Event::kLeft) == 50; }));
  EXPECT_EQ(served_.count(Event::kConnected), 50u);
  EXPECT_EQ(served_.count(Event::kTurnedAway), 0u);
}

// Also one that does not wait for its answers.
TEST_F(ServerTest, SeesWhoLeavesWithoutItsAnswers) {
  {
    const auto client = Greeted();
    ASSERT_TRUE(
        client->SendBytes(Message(REGION_READ, Client::Access(0, 0, 1))));
    Handled();
  }
  EXPECT_TRUE(Until([&] { return served_.count(Event::kLeft) == 1; }));
}

// While one is there, others are told at once that the device is busy.
TEST_F(ServerTest, TurnsOthersAway) {
  const auto first = Greeted();
  for (int i = 0; i < 100; ++i) {
    const auto other = Connect();
    const auto answer = other->Ask(VERSION, Payload().U32(0));
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->error, static_cast<uint32_t>(EBUSY));
    EXPECT_FALSE(other->Receive().has_value());
  }
  EXPECT_EQ(served_.count(Event::kTurnedAway), 100u);
  EXPECT_EQ(first->Read(0, 0, 1), 0xeeu);
  EXPECT_EQ(served_.count(Event::kEnded), 0u);
}

// Who is turned away has no power over the device.
TEST_F(ServerTest, TakesNothingFromWhoIsTurnedAway) {
  const auto first = Greeted();
  for (const auto& wrong :
       {Message(RESET, {}), Message(REGION_READ, Client::Access(0, 0, 1))}) {
    const auto other = Connect();
    ASSERT_TRUE(other->SendBytes(wrong));
    EXPECT_FALSE(other->Receive().has_value());
  }
  const auto other = Connect();
  auto both = Message(VERSION, Payload().U32(0));
  const auto reset = Message(RESET, {});
  both.insert(both.end(), reset.begin(), reset.end());
  ASSERT_TRUE(other->SendBytes(both));
  EXPECT_EQ(other->Receive()->error, static_cast<uint32_t>(EBUSY));
  EXPECT_FALSE(other->Receive().has_value());
  std::string log;
  served_.OnLoop([&] { log = model_.log; });
  EXPECT_EQ(log, "");
}

// Some of those may be silent; of more, the oldest is closed.
TEST_F(ServerTest, BoundsThoseThatAreTurnedAway) {
  const auto first = Greeted();
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(Connect());
  EXPECT_TRUE(Until([&] { return served_.count(Event::kTurnedAway) == 50; }));
  for (int i = 0; i < 42; ++i) {
    EXPECT_FALSE(silent[i]->Receive().has_value()) << i;
  }
  for (int i = 42; i < 50; ++i) {
    const auto answer = silent[i]->Ask(VERSION, Payload().U32(0));
    ASSERT_TRUE(answer.has_value()) << i;
    EXPECT_EQ(answer->error, static_cast<uint32_t>(EBUSY));
  }
  EXPECT_EQ(first->Read(0, 0, 1), 0xeeu);
}

// A client finds the connection's end, and no reset, though it has said more
// than was read: QEMU (11.1) would not outlive one.
TEST_F(ServerTest, ClosesWithoutAReset) {
  auto bytes = Message(RESET, {}, 1);
  bytes.resize(100000);
  for (int i = 0; i < 20; ++i) {
    const auto client = Greeted();
    client->SendBytes(bytes);
    char byte;
    EXPECT_EQ(recv(client->fd(), &byte, 1, 0), 0) << std::strerror(errno);
  }
}

// A server that goes answers what its client has asked.
TEST(ServerGoes, AnswersFirst) {
  FakeModel model;
  const auto loop = *EventLoop::Create();
  const server::ShortDirectory directory;
  const std::string path = directory.File("vfio");
  const UniqueFd listener = *unix_socket::Listen(path, 0600);
  auto server = *Server::Start(*loop, listener.get(), model, {}, nullptr);
  Client client(path);
  auto bytes = Client::Bytes(1, VERSION, 0, Payload().U32(0));
  ASSERT_TRUE(client.SendBytes(bytes));
  while (loop->Dispatch(absl::ZeroDuration()) != 0) {
  }
  EXPECT_EQ(client.Receive()->error, 0u);
  bytes.clear();
  for (uint16_t i = 0; i < 3; ++i) {
    const auto one = Client::Bytes(i, REGION_READ, 0, Client::Access(0, 0, 1));
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  // The last is not whole.
  bytes.pop_back();
  ASSERT_TRUE(client.SendBytes(bytes));
  server.reset();
  EXPECT_EQ(model.log, "read 0 0 1\nread 0 0 1\nleft\n");
  for (uint16_t i = 0; i < 2; ++i) {
    const auto answer = client.Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->id, i);
  }
  char byte;
  EXPECT_EQ(recv(client.fd(), &byte, 1, 0), 0) << std::strerror(errno);
  EXPECT_FALSE(client.SendBytes(bytes));
}

// It does not wait for a client that does not read.
TEST(ServerGoes, WithoutWhoDoesNotRead) {
  FakeModel model;
  const auto loop = *EventLoop::Create();
  const server::ShortDirectory directory;
  const std::string path = directory.File("vfio");
  const UniqueFd listener = *unix_socket::Listen(path, 0600);
  auto server = *Server::Start(*loop, listener.get(), model, {}, nullptr);
  Client client(path);
  ASSERT_TRUE(client.SendBytes(Client::Bytes(1, VERSION, 0, Payload().U32(0))));
  for (uint16_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.SendBytes(
        Client::Bytes(i, REGION_READ, 0, Client::Access(8, 0, 1 << 20))));
  }
  ASSERT_TRUE(client.SendBytes(
      Client::Bytes(20, REGION_READ, 0, Client::Access(0, 0, 1))));
  while (loop->Dispatch(absl::ZeroDuration()) != 0) {
  }
  server.reset();
  EXPECT_EQ(model.log, "left\n");
}

// What a client posted before it left is carried out, in time for the next one.
TEST_F(ServerTest, CarriesOutWhatWasPosted) {
  for (int i = 0; i < 20; ++i) {
    auto client = Greeted();
    for (int k = 0; k < 200; ++k) {
      client->Tell(REGION_WRITE, Client::Access(0, 0, 1, {0}));
    }
    client.reset();
    const auto next = Greeted();
    next->Read(0, 0, 1);
    std::string log;
    served_.OnLoop([&] { log = std::exchange(model_.log, ""); });
    std::string expected;
    for (int k = 0; k < 200; ++k) expected += "write 0 0 1\n";
    ASSERT_EQ(log, (i == 0 ? "" : "left\n") + expected + "left\nread 0 0 1\n");
  }
}

// A message may come in any pieces.
TEST_F(ServerTest, TakesMessagesInPieces) {
  const auto client = Greeted();
  const auto bytes = Message(REGION_READ, Client::Access(0, 0, 4));
  for (const uint8_t byte : bytes) {
    ASSERT_TRUE(client->SendBytes({byte}));
    Handled();
  }
  const auto answer = client->Receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->payload.size(), 20u);
}

// Many may come at once; they are answered in their order.
TEST_F(ServerTest, AnswersInOrder) {
  const auto client = Greeted();
  std::vector<uint8_t> all;
  for (uint16_t i = 0; i < 300; ++i) {
    const auto one =
        Client::Bytes(i, REGION_READ, 0, Client::Access(0, 0, 1 + i % 7));
    all.insert(all.end(), one.begin(), one.end());
  }
  ASSERT_TRUE(client->SendBytes(all));
  for (uint16_t i = 0; i < 300; ++i) {
    const auto answer = client->Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->id, i);
    EXPECT_EQ(answer->payload.size(), 17u + i % 7);
  }
}

// An answer that is larger than the socket's buffer goes out as it is read;
// who does not read is not read either.
TEST_F(ServerTest, WaitsForWhoDoesNotRead) {
  const auto client = Greeted();
  constexpr uint32_t kMiB = 1 << 20;
  const auto request = Message(REGION_READ, Client::Access(8, 0, kMiB));
  constexpr int kRequests = 20;
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(client->SendBytes(request));
  }
  for (int i = 0; i < kRequests; ++i) {
    const auto answer = client->Receive();
    ASSERT_TRUE(answer.has_value());
    ASSERT_EQ(answer->payload.size(), 16 + kMiB);
    EXPECT_EQ(answer->payload[16 + kMiB - 1], 0);
  }
  EXPECT_EQ(client->Read(0, 0, 1), 0xeeu);
}

// Who sends and does not read fills its own socket and no more.
TEST_F(ServerTest, DoesNotKeepWhatNobodyReads) {
  const auto client = Greeted();
  const auto request = Message(REGION_READ, Client::Access(8, 0, 1 << 20));
  timeval soon = {.tv_sec = 0, .tv_usec = 200000};
  setsockopt(client->fd(), SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
  int taken = 0;
  while (taken < 100000 && client->SendBytes(request)) ++taken;
  EXPECT_LT(taken, 100000);
}

// Sizes that cannot be.
TEST_F(ServerTest, EndsWhoAnnouncesOtherSizes) {
  uint64_t ended = 0;
  for (const uint32_t size : {0u, 15u, (1u << 20) + 33, 0xffffffffu}) {
    const auto client = Greeted();
    ASSERT_TRUE(client->SendBytes(Payload()
                                      .Add(uint16_t{1})
                                      .Add(uint16_t{REGION_READ})
                                      .U32(size)
                                      .U64(0)));
    ExpectEnd(*client, ++ended);
  }
}

TEST_F(ServerTest, EndsWhoSendsReplies) {
  const auto client = Greeted();
  ASSERT_TRUE(client->SendBytes(Message(RESET, {}, 1)));
  ExpectEnd(*client);
}

TEST_F(ServerTest, EndsWhoDoesNotBeginWithVersion) {
  const auto client = Connect();
  ASSERT_TRUE(client->SendBytes(Message(RESET, {})));
  ExpectEnd(*client);
}

TEST_F(ServerTest, EndsWhoSaysVersionTwice) {
  const auto client = Greeted();
  ASSERT_TRUE(client->SendBytes(Message(VERSION, Payload().U32(0))));
  ExpectEnd(*client);
}

// A version that is refused is answered first.
TEST_F(ServerTest, SaysThatItRefusesAVersion) {
  const auto client = Connect();
  const auto answer = client->Ask(VERSION, Payload().U32(1));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->error, static_cast<uint32_t>(EINVAL));
  EXPECT_FALSE(client->Receive().has_value());
}

// Nor does the connection stay where no answer was wanted.
TEST_F(ServerTest, EndsWhoseUnansweredVersionIsRefused) {
  const auto client = Connect();
  client->Tell(VERSION, Payload().U32(1));
  EXPECT_FALSE(client->Receive().has_value());
}

// Descriptors: where none belong, more than a message may have, up to as many
// as the kernel lets through, and not with the first byte.
TEST_F(ServerTest, EndsWhoSendsOtherDescriptors) {
  uint64_t ended = 0;
  for (const int count : {1, 16, 17, 18, 253}) {
    const auto client = Greeted();
    ASSERT_TRUE(client->SendBytes(Message(RESET, {}), Copies(count)));
    ExpectEnd(*client, ++ended);
  }
  for (const int count : {17, 253}) {
    const auto client = Greeted();
    ASSERT_TRUE(client->SendBytes(
        Message(SET_IRQS, Payload().U64(20).U64(0).U32(0)), Copies(count)));
    ExpectEnd(*client, ++ended);
  }
  // The rest of the message is not waited for.
  const auto client = Greeted();
  ASSERT_TRUE(client->SendBytes({SET_IRQS}, Copies(17)));
  ExpectEnd(*client, ++ended);
}

TEST_F(ServerTest, EndsWhoSendsDescriptorsLate) {
  uint64_t ended = 0;
  const auto message = Message(DMA_MAP, std::vector<uint8_t>(32));
  for (const size_t cut : {size_t{1}, size_t{16}, size_t{40}}) {
    const auto client = Greeted();
    ASSERT_TRUE(client->SendBytes({message.begin(), message.begin() + cut}));
    Handled();
    ASSERT_TRUE(
        client->SendBytes({message.begin() + cut, message.end()}, Copies(1)));
    ExpectEnd(*client, ++ended);
  }
}

// The end of one message and the beginning of the next are read apart, so that
// each has its own descriptors.
TEST_F(ServerTest, KeepsTheDescriptorsOfMessagesApart) {
  const auto client = Greeted();
  const auto without = Message(REGION_READ, Client::Access(0, 0, 1));
  const auto with = Message(DMA_MAP, std::vector<uint8_t>(32));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client->SendBytes(without));
    ASSERT_TRUE(client->SendBytes(with, Copies(1)));
  }
  for (int i = 0; i < 200; ++i) {
    const auto answer = client->Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->error, 0u);
  }
}

// Where this process has no room for a message's descriptors, those that came
// are closed.
TEST_F(ServerTest, EndsWhoseDescriptorsDoNotFit) {
  const auto client = Greeted();
  std::optional<DescriptorLimit> limit;
  // The limit is also that of what is under way, of all this user's processes:
  // so it is sent before, while the server is held.
  served_.OnLoop([&] {
    EXPECT_TRUE(client->SendBytes(
        Message(SET_IRQS, Payload().U64(20).U64(0).U32(0)), Copies(10)));
    limit.emplace(5);
  });
  EXPECT_FALSE(client->Receive().has_value());
  limit.reset();
}

// When there is no room for a connection, the listener is left alone for a
// while, and the next ones are served.
TEST_F(ServerTest, OutlivesALackOfDescriptors) {
  // UBSan opens a pipe when it first sees an object of a class.
  Handled();
  std::optional<DescriptorLimit> limit(1);
  const auto client = Connect();
  EXPECT_TRUE(Until([&] { return served_.count(Event::kTrouble) >= 1; }));
  limit.reset();
  client->Greet();
}

// A client that closes in the middle.
TEST_F(ServerTest, EndsWhoClosesWithinAMessage) {
  for (const size_t part : {size_t{1}, size_t{15}, size_t{16}, size_t{20}}) {
    const auto client = Greeted();
    const auto message = Message(REGION_READ, Client::Access(0, 0, 4));
    ASSERT_TRUE(client->SendBytes({message.begin(), message.begin() + part}));
  }
  EXPECT_TRUE(Until([&] { return served_.count(Event::kEnded) == 4; }));
}

// A client that reads no more, as QEMU after a time-out: the connection ends at
// the next answer, so that its guest does not wait for each.
TEST_F(ServerTest, EndsWhoShutsItsReadSide) {
  const auto client = Greeted();
  shutdown(client->fd(), SHUT_RD);
  client->SendBytes(Message(REGION_READ, Client::Access(0, 0, 4)));
  EXPECT_TRUE(Until([&] { return served_.count(Event::kEnded) == 1; }));
  EXPECT_FALSE(client->SendBytes(Message(RESET, {})));
}

class ImpatientTest : public ServerTest {
 protected:
  ImpatientTest() : ServerTest(absl::Seconds(1)) {}
};

// One that says nothing at first does not keep others out for long.
TEST_F(ImpatientTest, EndsWhoSaysNothing) { ExpectEnd(*Connect()); }

// Nor does one that is turned away stay for long.
TEST_F(ImpatientTest, EndsWhoIsTurnedAwayAndSaysNothing) {
  const auto first = Greeted();
  EXPECT_FALSE(Connect()->Receive().has_value());
  EXPECT_EQ(served_.count(Event::kEnded), 0u);
  EXPECT_EQ(first->Read(0, 0, 1), 0xeeu);
}

TEST_F(ImpatientTest, EndsWhoLeavesAMessageUnfinished) {
  uint64_t ended = 0;
  for (const size_t part : {size_t{1}, size_t{16}, size_t{20}}) {
    const auto client = Greeted();
    const auto message = Message(REGION_READ, Client::Access(0, 0, 4));
    ASSERT_TRUE(client->SendBytes({message.begin(), message.begin() + part}));
    ExpectEnd(*client, ++ended);
  }
}

// It has to be whole in that time: each byte that comes gives no more.
TEST_F(ImpatientTest, EndsWhoSendsByteAfterByte) {
  const auto client = Greeted();
  ASSERT_TRUE(client->SendBytes(Payload()
                                    .Add(uint16_t{1})
                                    .Add(uint16_t{REGION_WRITE})
                                    .U32(32 + (1 << 20))
                                    .U64(0)));
  const absl::Time end = absl::Now() + kDeadline;
  while (client->SendBytes({0}) && absl::Now() < end) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(served_.count(Event::kEnded), 1u);
}

// One that is between two messages may take its time.
TEST_F(ImpatientTest, WaitsBetweenMessages) {
  const auto client = Greeted();
  const absl::Time end = absl::Now() + absl::Milliseconds(1500);
  while (absl::Now() < end) served_.OnLoop([] {});
  EXPECT_EQ(client->Read(0, 0, 1), 0xeeu);
}

}  // namespace
}  // namespace ivshmem::vfio_user
