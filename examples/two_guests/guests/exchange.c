// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/guests/exchange.h"

static void Finish(const struct Exchange* exchange, uint32_t event,
                   uint32_t argument) {
  Report(kReportMessagesSent, exchange->sent);
  Report(kReportMessagesChecked, exchange->checked);
  Report(kReportBytesSent, exchange->bytes_sent);
  Report(kReportBytesChecked, exchange->bytes_checked);
  Report(kReportDoorbells, exchange->doorbells);
  Report(kReportInterrupts, exchange->interrupts);
  Report(event, argument);
}

static void Fail(const struct Exchange* exchange, enum ReportFailure failure) {
  Finish(exchange, kReportFailed,
         (uint32_t)failure << 24 | (exchange->sequence & 0xFFFFFF));
}

static void Ring(struct Exchange* exchange, uint32_t vector) {
  // All that was written to the memory is there before the doorbell rings.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  ++exchange->doorbells;
  *exchange->doorbell = exchange->peer_id << 16 | vector;
}

static void Send(struct Exchange* exchange, uint32_t sequence, uint32_t echo,
                 int goodbye) {
  struct MessageHeader header;
  if (MessageSend(&exchange->shared->ring[exchange->side], exchange->side,
                  sequence, echo, goodbye, &header) != kMessageOk) {
    Fail(exchange, kFailureRingFull);
    return;
  }
  ++exchange->sent;
  exchange->bytes_sent += header.length;
  exchange->sequence = exchange->side == kSideX86 ? sequence : sequence + 1;
  exchange->expected_echo = MessageEcho(header.checksum);
  if (exchange->side == kSideX86 && !goodbye) {
    Report(kReportRequestSent, sequence);
  }
  Ring(exchange, kVectorMessage);
}

int ExchangeMeet(struct Exchange* exchange) {
  if (exchange->met) return 1;
  struct Mailbox* own = &exchange->shared->mailbox[exchange->side];
  struct Mailbox* other = &exchange->shared->mailbox[1 - exchange->side];
  own->id = exchange->own_id;
  __atomic_store_n(&own->ready, MAILBOX_READY, __ATOMIC_RELEASE);
  // Of two that come at once at least one sees the other.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (__atomic_load_n(&other->ready, __ATOMIC_ACQUIRE) != MAILBOX_READY) {
    return 0;
  }
  exchange->met = 1;
  exchange->peer_id = other->id & 0xFFFF;
  Report(kReportPeerId, exchange->peer_id);
  return 1;
}

void ExchangeHello(struct Exchange* exchange) { Ring(exchange, kVectorHello); }

void ExchangeStart(struct Exchange* exchange) {
  if (exchange->started || !ExchangeMeet(exchange)) return;
  exchange->started = 1;
  Send(exchange, 1, 0, 0);
}

// x86 got an answer.
static void OnAnswer(struct Exchange* exchange,
                     const struct MessageHeader* answer) {
  Report(kReportAnswerChecked, answer->sequence);
  const int goodbye = answer->sequence == exchange->messages;
  Send(exchange, answer->sequence + 1, MessageEcho(answer->checksum), goodbye);
  if (goodbye) Finish(exchange, kReportDone, 0);
}

// The Cortex-M got a request, or the goodbye.
static void OnRequest(struct Exchange* exchange,
                      const struct MessageHeader* request) {
  if (request->length == 0) {
    Finish(exchange, kReportDone, 0);
  } else {
    Send(exchange, request->sequence, MessageEcho(request->checksum), 0);
  }
}

// Whether `received` is what had to come now; else reports what is wrong.
static int Check(const struct Exchange* exchange, enum MessageResult result,
                 const struct MessageHeader* received) {
  if (result == kMessageTorn) {
    Fail(exchange, kFailureTorn);
  } else if (result == kMessageBadLength) {
    Fail(exchange, kFailureBadLength);
  } else if (result == kMessageBadChecksum) {
    Fail(exchange, kFailureBadChecksum);
  } else if (received->sequence != exchange->sequence) {
    Fail(exchange, kFailureBadSequence);
  } else if (received->echo != exchange->expected_echo) {
    Fail(exchange, kFailureBadEcho);
  } else {
    return 1;
  }
  return 0;
}

void ExchangeInterrupt(struct Exchange* exchange) {
  ++exchange->interrupts;
  if (!ExchangeMeet(exchange)) return;
  struct MessageHeader received;
  const enum MessageResult result =
      MessageReceive(&exchange->shared->ring[1 - exchange->side], &received);
  if (result == kMessageNone || !Check(exchange, result, &received)) return;
  ++exchange->checked;
  exchange->bytes_checked += received.length;
  if (exchange->side == kSideX86) {
    OnAnswer(exchange, &received);
  } else {
    OnRequest(exchange, &received);
  }
}
