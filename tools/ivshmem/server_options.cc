// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/server_options.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <cstdlib>
#include <limits>

#include "absl/numeric/bits.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/doorbell.h"
#include "tools/ivshmem/size.h"

namespace ivshmem::tool {
namespace {

using Kind = server::MemorySpec::Kind;

constexpr char kDefaultSize[] = "4M";

absl::StatusOr<mode_t> ParseMode(const std::string& text) {
  constexpr int kOctal = 8;
  char* end = nullptr;
  const auto mode = std::strtoul(text.c_str(), &end, kOctal);
  if (text.empty() || *end != '\0' || !absl::ascii_isdigit(text[0]) ||
      mode > 0777) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--mode: expected permissions in octal, as 0660, got '%s'", text));
  }
  return static_cast<mode_t>(mode);
}

// A user or group by number, else by name.
absl::StatusOr<uint32_t> ParseUser(const std::string& text) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  if (const passwd* user = getpwnam(text.c_str())) return user->pw_uid;
  return absl::InvalidArgumentError(absl::StrFormat(
      "--allow-uid: expected a user's number or name, got '%s'", text));
}

absl::StatusOr<uint32_t> ParseGroup(const std::string& text) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  if (const group* found = getgrnam(text.c_str())) return found->gr_gid;
  return absl::InvalidArgumentError(absl::StrFormat(
      "--allow-gid: expected a group's number or name, got '%s'", text));
}

absl::Status ReadAccess(const ServerFlags& flags, server::AccessList& access) {
  for (const std::string& text : flags.users) {
    const absl::StatusOr<uint32_t> user = ParseUser(text);
    if (!user.ok()) return user.status();
    access.users.insert(*user);
  }
  for (const std::string& text : flags.groups) {
    const absl::StatusOr<uint32_t> group = ParseGroup(text);
    if (!group.ok()) return group.status();
    access.groups.insert(*group);
  }
  return absl::OkStatus();
}

absl::Status ReadSize(const ServerFlags& flags, ServerOptions& options) {
  const bool round = !flags.rounded_size.empty();
  const absl::StatusOr<uint64_t> size =
      round
          ? ParseSize("-l", flags.rounded_size)
          : ParseSize("--size", flags.size.empty() ? kDefaultSize : flags.size);
  if (!size.ok()) return size.status();
  const uint64_t power = server::RoundUpToBar(*size);
  options.memory.size = power;
  if (*size == power && *size != 0) return absl::OkStatus();
  if (round && *size != 0 && power != 0) {
    options.notice =
        absl::StrFormat("-l: %d bytes is rounded up to %s (%d), a power of two",
                        *size, FormatSize(power), power);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: expected a power of two, as a PCI BAR has, got %s%s",
      round ? "-l" : "--size", FormatSize(*size),
      *size == 0 || power == 0
          ? ""
          : absl::StrCat("; the next one is ", FormatSize(power))));
}

absl::Status ReadMemory(const ServerFlags& flags, ServerOptions& options) {
  server::MemorySpec& memory = options.memory;
  if (!flags.shm_name.empty()) {
    memory.kind = Kind::kShm;
    memory.name = flags.shm_name;
  } else if (!flags.file.empty()) {
    memory.kind = Kind::kFile;
    memory.name = flags.file;
  } else if (!flags.directory.empty()) {
    memory.kind = Kind::kDirectory;
    memory.name = flags.directory;
  } else if (!flags.huge_page.empty()) {
    const absl::StatusOr<uint64_t> page =
        ParseSize("--hugetlb", flags.huge_page);
    if (!page.ok()) return page.status();
    memory.huge_page = *page;
    if (!absl::has_single_bit(*page) || *page > memory.size) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "--hugetlb: expected the size of a huge page, as 2M, of at most "
          "--size (%s), got %s",
          FormatSize(memory.size), FormatSize(*page)));
    }
  }
  return absl::OkStatus();
}

// What QEMU's server does when it is not told otherwise.
ServerFlags WithDefaultsOfQemu(ServerFlags flags) {
  if (flags.socket.empty()) flags.socket = "/tmp/ivshmem_socket";
  if (!flags.memfd && flags.shm_name.empty() && flags.file.empty() &&
      flags.directory.empty() && flags.huge_page.empty()) {
    flags.shm_name = "ivshmem";
  }
  flags.daemon = !flags.foreground;
  if (flags.daemon && flags.pid_file.empty()) {
    flags.pid_file = "/var/run/ivshmem-server.pid";
  }
  return flags;
}

server::RestIds ReadRestIds(const std::string& when) {
  if (when == "always") return server::RestIds::kAlways;
  return when == "never" ? server::RestIds::kNever : server::RestIds::kAuto;
}

}  // namespace

void AddServerFlags(CLI::App& server, ServerFlags& flags) {
  server
      .add_option("-S,--socket", flags.socket,
                  "Where clients connect (systemd's socket, if it starts the "
                  "server with one)")
      ->type_name("PATH");
  server.add_option("--mode", flags.mode, "Permissions of the socket's file")
      ->type_name("OCTAL")
      ->capture_default_str();
  server
      .add_option("--allow-uid", flags.users,
                  "Only this user may join; may be repeated")
      ->type_name("USER");
  server
      .add_option("--allow-gid", flags.groups,
                  "Only this group may join; may be repeated")
      ->type_name("GROUP");

  CLI::Option_group* memory = server.add_option_group("The memory");
  memory->add_flag("--memfd", flags.memfd,
                   "Without a name; goes with the server (the default)");
  memory
      ->add_option("-M,--shm-name", flags.shm_name,
                   "POSIX shared memory, made if there is none and removed at "
                   "the end by who made it")
      ->type_name("NAME");
  memory
      ->add_option("--file", flags.file,
                   "A file, made if there is none; never removed")
      ->type_name("PATH");
  memory
      ->add_option("-m,--directory", flags.directory,
                   "A new file without a name in this directory, as a "
                   "hugetlbfs")
      ->type_name("PATH");
  memory
      ->add_option("--hugetlb", flags.huge_page,
                   "Without a name, of huge pages of this size")
      ->type_name("SIZE");
  memory->require_option(0, 1);

  CLI::Option* size = server
                          .add_option("--size", flags.size,
                                      "Of the memory: a power of two [4M]")
                          ->type_name("SIZE");
  server
      .add_option("-l", flags.rounded_size,
                  "The same, rounded up to a power of two as QEMU's server "
                  "does")
      ->type_name("SIZE")
      ->excludes(size);
  server
      .add_option("-n,--vectors", flags.vectors,
                  "Interrupt vectors of each peer")
      ->check(CLI::Range(1, kMaxVectors))
      ->type_name("N")
      ->capture_default_str();
  server
      .add_option(
          "--max-peers", flags.max_peers,
          "Peers at the same time [1024, or what the limit of open files "
          "allows]")
      ->check(CLI::Range(1, kMaxPeers))
      ->type_name("N");
  server
      .add_option("--stall-timeout", flags.stall_seconds,
                  "Disconnect who is owed messages and reads none for so long")
      ->check(CLI::Range(0.01, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  server
      .add_option("--keep-ids", flags.keep_seconds,
                  "Keep the id of a client that may come again for so long")
      ->check(CLI::Range(0.0, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  server
      .add_option("--absent-peers", flags.absent_seconds,
                  "Tell the others only after so long that a client that may "
                  "come again has gone; if it does, no ring is lost")
      ->check(CLI::Range(0.0, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  server
      .add_option("--rest-ids", flags.rest_ids,
                  "Give no id again while a client is there that knew it as "
                  "another's: QEMU dies of it. auto: for processes called "
                  "qemu-...; always: for all but our own clients; never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN")
      ->capture_default_str();
  server
      .add_option("--state", flags.state,
                  "Keeps in this file what a restarted server has to know")
      ->type_name("PATH");
  server
      .add_option("--status-socket", flags.status_socket,
                  "Where 'ivshmem status' asks")
      ->type_name("PATH");

  CLI::Option* foreground =
      server.add_flag("-F,--foreground", flags.foreground,
                      "Stay in the foreground (the default)");
  server
      .add_flag("--daemon", flags.daemon,
                "Go to the background when the socket is there")
      ->excludes(foreground);
  server
      .add_option("-p,--pid-file", flags.pid_file, "Write the process id here")
      ->type_name("PATH");
  server.add_flag("-v,--verbose", flags.verbose,
                  "Say on standard error who comes and goes");
  server.add_flag("--check", flags.check,
                  "Only look whether the options make sense");
  server.add_flag(
      "--like-qemu", flags.like_qemu,
      "Defaults of QEMU's ivshmem-server, which this also is when it is called "
      "by that name: in the background, --socket /tmp/ivshmem_socket, "
      "--shm-name ivshmem, --pid-file /var/run/ivshmem-server.pid");
}

absl::StatusOr<ServerOptions> Understand(const ServerFlags& typed) {
  const ServerFlags flags = typed.like_qemu ? WithDefaultsOfQemu(typed) : typed;
  ServerOptions options = {
      .socket = flags.socket,
      .vectors = flags.vectors,
      .max_peers = flags.max_peers,
      .stall_timeout = absl::Seconds(flags.stall_seconds),
      .keep_ids = absl::Seconds(flags.keep_seconds),
      .absent_peers = absl::Seconds(flags.absent_seconds),
      .rest_ids = ReadRestIds(flags.rest_ids),
      .state = flags.state,
      .status_socket = flags.status_socket,
      .daemon = flags.daemon,
      .pid_file = flags.pid_file,
      .verbose = flags.verbose,
      .check = flags.check,
  };
  const absl::StatusOr<mode_t> mode = ParseMode(flags.mode);
  if (!mode.ok()) return mode.status();
  options.mode = *mode;
  absl::Status status = ReadSize(flags, options);
  if (status.ok()) status = ReadMemory(flags, options);
  if (status.ok()) status = ReadAccess(flags, options.access);
  if (!status.ok()) return status;
  return options;
}

}  // namespace ivshmem::tool
