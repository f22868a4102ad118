// The server's side of streams: one writer, at most one reader, a bounded outbox, one end.
//
//   grpc::ServerBidiReactor<pb::EdgeFrame, pb::HubFrame>* Attach(grpc::CallbackServerContext* context) override {
//     auto stream = rpc::BidiServerStream<pb::EdgeFrame, pb::HubFrame>::Create();
//     auto edge = std::make_shared<Edge>(stream);                          // May call stream->TrySend from any thread.
//     return stream->Start(context, {.on_message = [edge](pb::EdgeFrame&& frame) { edge->Receive(std::move(frame)); },
//                                    .on_closed = [edge](const absl::Status&) { edge->Leave(); }});
//   }
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "libs/base/check.h"
#include "libs/base/mutex.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/call.h"
#include "libs/rpc/guard.h"
#include "libs/rpc/outbox.h"
#include "libs/rpc/reaction_order.h"
#include "libs/rpc/status.h"

namespace fleetcast::rpc {

// The writing half of a server stream, shared by those that send. `Reactor` is gRPC's reactor of the stream. Lives
// until gRPC and all holders have let go. Thread-safe.
template <typename Reactor, typename Resp>
class StreamSender : protected Reactor, public std::enable_shared_from_this<StreamSender<Reactor, Resp>> {
 public:
  // Queues `message` for writing. False when the outbox is full or the stream is closing; never waits. What a sender
  // does about a full outbox (drop, close the slow peer) is its own decision.
  bool TrySend(Resp message) EXCLUDES(mutex_) { return TryQueue(message); }

  // TrySend that leaves `message` untouched when it says false.
  bool TryQueue(Resp& message) EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (close_status_.has_value() || !outbox_.TryPush(std::move(message))) return false;
    }
    Pump();
    return true;
  }

  // Ends the stream. OK: what is queued is still written. An error: what is queued is dropped and the peer gets
  // `status`. Only the first call counts; the peer's own end counts too.
  void Close(const absl::Status& status) EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (!close_status_.has_value()) close_status_ = status;
    }
    Pump();
  }

  // Ends the stream without waiting for a peer that does not read: it sees CANCELLED.
  void Abort() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (context_ != nullptr) context_->TryCancel();
  }

  // Requested once the stream is over or the peer has gone.
  std::stop_token stop_token() const { return stop_.get_token(); }

  // Messages that wait to be written.
  size_t outbox_size() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return outbox_.size();
  }

 protected:
  explicit StreamSender(const OutboxLimits& limits) : outbox_(limits) {}

  using ClosedCallback = std::function<void(const absl::Status&)>;

  // Hands this object to gRPC, which keeps it alive until OnDone.
  void Begin(grpc::CallbackServerContext* context, ClosedCallback on_closed) EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      FLEETCAST_CHECK(self_ == nullptr && context_ == nullptr);
      context_ = context;
      self_ = this->shared_from_this();
      on_closed_ = std::move(on_closed);
    }
    this->StartSendInitialMetadata();  // Tells the client that the stream stands.
  }

  bool closing() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return close_status_.has_value();
  }

  // Called, without the lock, whenever there is room in the outbox again or the stream closes.
  virtual void OnRoom() {}

 private:
  enum class Step { kNothing, kWrite, kFinish };

  // Starts the next write or the end, unless one is under way: gRPC allows one write at a time, and none with Finish.
  void Pump() EXCLUDES(mutex_) {
    Step step = Step::kNothing;
    absl::Status status;
    {
      MutexLock lock(mutex_);
      step = NextStep();
      if (step == Step::kWrite) current_ = outbox_.Pop();
      if (step == Step::kFinish) status = *close_status_;
    }
    if (step == Step::kWrite) this->StartWrite(&current_);
    if (step == Step::kFinish) this->Finish(ToGrpc(status));
  }

  Step NextStep() REQUIRES(mutex_) {
    if (!ready_ || busy_) return Step::kNothing;
    const bool drop = close_status_.has_value() && (!close_status_->ok() || peer_gone_);
    if (drop) outbox_.Clear();
    if (!outbox_.empty()) {
      busy_ = true;
      return Step::kWrite;
    }
    if (!close_status_.has_value()) return Step::kNothing;
    busy_ = true;  // For good.
    return Step::kFinish;
  }

  void OnSendInitialMetadataDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      ready_ = true;
      if (!ok) LosePeer();
    }
    Pump();
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      busy_ = false;
      if (!ok) LosePeer();
    }
    Pump();
    OnRoom();
  }

  void OnCancel() override {
    {
      MutexLock lock(mutex_);
      LosePeer();
    }
    stop_.request_stop();
    Pump();
    OnRoom();
    BeforeOnDone(this);
  }

  void LosePeer() REQUIRES(mutex_) {
    peer_gone_ = true;
    if (!close_status_.has_value()) close_status_ = absl::CancelledError("the peer has gone");
  }

  void OnDone() override {
    InOnDone(this);
    std::shared_ptr<StreamSender> self;
    ClosedCallback on_closed;
    absl::Status status;
    {
      MutexLock lock(mutex_);
      context_ = nullptr;
      self = std::move(self_);
      on_closed = std::move(on_closed_);
      status = *close_status_;
    }
    stop_.request_stop();
    OnRoom();
    Released();
    if (on_closed) on_closed(status);
  }

  // Drops callbacks that might hold this object.
  virtual void Released() {}

  mutable Mutex mutex_;
  Outbox<Resp> outbox_ GUARDED_BY(mutex_);
  bool ready_ GUARDED_BY(mutex_) = false;  // Initial metadata is out.
  bool busy_ GUARDED_BY(mutex_) = false;   // A write or the end is under way.
  bool peer_gone_ GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> close_status_ GUARDED_BY(mutex_);
  grpc::CallbackServerContext* context_ GUARDED_BY(mutex_) = nullptr;
  std::shared_ptr<StreamSender> self_ GUARDED_BY(mutex_);
  ClosedCallback on_closed_ GUARDED_BY(mutex_);
  Resp current_;  // Belongs to gRPC while busy_.
  std::stop_source stop_;
};

// A server stream fed by events: a watch. Create it, hand it to whoever sends, Start it in the RPC method.
template <typename Resp>
class ServerStream : public StreamSender<grpc::ServerWriteReactor<Resp>, Resp> {
  using Base = StreamSender<grpc::ServerWriteReactor<Resp>, Resp>;

 public:
  static std::shared_ptr<ServerStream> Create(const OutboxLimits& limits = {}) {
    return std::shared_ptr<ServerStream>(new ServerStream(limits));
  }

  // Call once, in the RPC method, and return the result to gRPC. `on_closed` (may be empty) is called once, last, on a
  // gRPC thread, with the status of Close or CANCELLED; what it holds is released afterwards.
  grpc::ServerWriteReactor<Resp>* Start(grpc::CallbackServerContext* context,
                                        std::function<void(const absl::Status& status)> on_closed = {}) {
    this->Begin(context, std::move(on_closed));
    return this;
  }

  // Queues `message`, waiting for room as long as it takes. False when the stream is over. Not on a gRPC thread.
  bool Send(Resp message) {
    while (!this->stop_token().stop_requested()) {
      const uint64_t seen = Rooms();
      if (this->TryQueue(message)) return true;
      if (this->closing()) return false;
      WaitForRoom(seen);
    }
    return false;
  }

 private:
  explicit ServerStream(const OutboxLimits& limits) : Base(limits) {}

  uint64_t Rooms() {
    MutexLock lock(room_mutex_);
    return rooms_;
  }

  void WaitForRoom(uint64_t seen) {
    std::unique_lock<Mutex> lock(room_mutex_);
    room_.wait(lock, this->stop_token(), [&] { return rooms_ != seen; });
  }

  void OnRoom() override {
    {
      MutexLock lock(room_mutex_);
      ++rooms_;
    }
    room_.notify_all();
  }

  Mutex room_mutex_;
  CondVar room_;
  uint64_t rooms_ GUARDED_BY(room_mutex_) = 0;
};

// Answers a server-streaming RPC from a blocking handler on `pool`: a long list. The handler calls out.Send and returns
// how the stream ends; it stops when Send says false. Same guarantees as RunOn. A handler occupies its thread as long
// as the stream lasts: give watches a ServerStream instead.
template <typename Resp>
grpc::ServerWriteReactor<Resp>* StreamOn(WorkerPool& pool, grpc::CallbackServerContext* context,
                                         std::function<absl::Status(const Call& call, ServerStream<Resp>& out)> handler,
                                         const OutboxLimits& limits = {.messages_max = 16}) {
  auto stream = ServerStream<Resp>::Create(limits);
  auto* reactor = stream->Start(context);
  const Call call = IncomingCall(*context, stream->stop_token(), absl::InfiniteDuration());
  const bool queued = pool.TrySubmit([stream, call, handler = std::move(handler)] {
    stream->Close(GuardedCall(call, [&](const Call& entered) { return handler(entered, *stream); }));
  });
  if (!queued) stream->Close(ServerBusy());
  return reactor;
}

// Both directions. Create it, hand it to whoever sends, Start it in the RPC method.
template <typename Req, typename Resp>
class BidiServerStream : public StreamSender<grpc::ServerBidiReactor<Req, Resp>, Resp> {
  using Base = StreamSender<grpc::ServerBidiReactor<Req, Resp>, Resp>;

 public:
  // Called on gRPC threads, one at a time, and never after on_closed; must not block. While on_message runs nothing
  // more is read: that is the back-pressure towards the peer.
  struct Callbacks {
    std::function<void(Req&& message)> on_message = {};
    // The end: OK when the peer closed its side, CANCELLED when it vanished, else the status of Close.
    std::function<void(const absl::Status& status)> on_closed = {};
  };

  static std::shared_ptr<BidiServerStream> Create(const OutboxLimits& limits = {}) {
    return std::shared_ptr<BidiServerStream>(new BidiServerStream(limits));
  }

  // Call once, in the RPC method, and return the result to gRPC. The callbacks are released after on_closed.
  grpc::ServerBidiReactor<Req, Resp>* Start(grpc::CallbackServerContext* context, Callbacks callbacks) {
    on_message_ = std::move(callbacks.on_message);
    this->Begin(context, std::move(callbacks.on_closed));
    this->StartRead(&incoming_);
    return this;
  }

 private:
  explicit BidiServerStream(const OutboxLimits& limits) : Base(limits) {}

  void OnReadDone(bool ok) override {
    if (!ok) {
      this->Close(absl::OkStatus());  // The peer has said all; what is queued is still written.
      return;
    }
    const absl::Status status = Guarded([this] {
      on_message_(std::move(incoming_));
      return absl::OkStatus();
    });
    if (!status.ok()) this->Close(status);
    if (this->closing()) return;
    incoming_.Clear();
    this->StartRead(&incoming_);
  }

  void Released() override { on_message_ = nullptr; }

  Req incoming_;
  std::function<void(Req&&)> on_message_;
};

}  // namespace fleetcast::rpc
