// The client's side of a bidirectional stream to one server, kept alive for as long as the object lives.
//
//   stub_ = pb::EdgeLink::NewStub(channel);
//   link_ = std::make_unique<rpc::BidiClientStream<pb::EdgeFrame, pb::HubFrame>>(
//       rpc::ClientStreamOptions{.peer = address},
//       [this](grpc::ClientContext* context, auto* reactor) { stub_->async()->Attach(context, reactor); },
//       {.on_connected = [this] { link_->TrySend(Hello()); },
//        .on_message = [this](pb::HubFrame&& frame) { Receive(std::move(frame)); },
//        .on_disconnected = [this](const absl::Status& why) { ForgetWhatIsInFlight(); }});
//   link_->Start();
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "libs/base/mutex.h"
#include "libs/rpc/client_stream_loop.h"
#include "libs/rpc/guard.h"
#include "libs/rpc/outbox.h"
#include "libs/rpc/reaction_order.h"
#include "libs/rpc/status.h"

namespace fleetcast::rpc {

// Opens the stream, reopens it with full-jitter back-off when it ends, and hands messages over. Thread-safe, but Start
// and Shutdown belong to the owner. What was queued but not written when a connection ends is dropped, and what was
// written may be lost: on_disconnected is the moment to take stock.
template <typename Req, typename Resp>
class BidiClientStream {
 public:
  using Reactor = grpc::ClientBidiReactor<Req, Resp>;
  // Calls the asynchronous stub: `stub->async()->Attach(context, reactor)`.
  using Open = std::function<void(grpc::ClientContext* context, Reactor* reactor)>;

  // Called on gRPC threads, one at a time over all three, in the order connected, messages, disconnected; must not
  // block, and must not call Shutdown. While on_message runs nothing more is read: that is the back-pressure.
  struct Callbacks {
    // The server has accepted the stream. Until it returns only the callback itself can send: what it sends is first.
    std::function<void()> on_connected = {};
    std::function<void(Resp&& message)> on_message = {};
    // The connection is over; once per on_connected. Until the next on_connected TrySend says false.
    std::function<void(const absl::Status& why)> on_disconnected = {};
  };

  BidiClientStream(ClientStreamOptions options, Open open, Callbacks callbacks)
      : options_(std::move(options)),
        open_(std::move(open)),
        callbacks_(std::move(callbacks)),
        loop_(options_, [this] { return std::make_shared<Attempt>(*this); }) {}

  // As Shutdown with no time to spare.
  ~BidiClientStream() { Shutdown(absl::ZeroDuration()); }

  // Begins to connect. Once.
  void Start() { loop_.Start(); }

  // Queues `message`. False when the outbox is full or there is no connection; never waits.
  bool TrySend(Req message) {
    const std::shared_ptr<Attempt> attempt = standing();
    return attempt != nullptr && attempt->TrySend(std::move(message));
  }

  // True between on_connected and on_disconnected.
  bool connected() const { return standing() != nullptr; }

  // Messages that wait to be written.
  size_t outbox_size() const {
    const std::shared_ptr<Attempt> attempt = standing();
    return attempt == nullptr ? 0 : attempt->outbox_size();
  }

  // Ends the connection; the loop reconnects. For a peer that has broken the protocol. Allowed in callbacks.
  void Reset() { loop_.CancelAttempt(); }

  // Writes what is queued, closes our side and waits for the server to close its own, for at most `limit`; then
  // cancels. No callback runs after it returns. Repeating it does nothing.
  void Shutdown(absl::Duration limit) { loop_.Stop(limit); }

 private:
  // One connection. gRPC calls the On… reactions.
  class Attempt final : public ClientAttempt, public std::enable_shared_from_this<Attempt>, private Reactor {
   public:
    explicit Attempt(BidiClientStream& stream) : stream_(stream), outbox_(stream.options_.outbox) {}

    void Start() override {
      stream_.open_(&context_, this);
      this->AddHold();  // Others than reactions write: gRPC must not call OnDone between two writes.
      BeforeOnDone(this);
      this->StartCall();
    }

    bool TrySend(Req message) EXCLUDES(mutex_) {
      {
        MutexLock lock(mutex_);
        if (!open_ || closing_) return false;
        if (greeter_ != std::thread::id() && greeter_ != std::this_thread::get_id()) return false;
        if (!outbox_.TryPush(std::move(message))) return false;
      }
      Pump();
      return true;
    }

    size_t outbox_size() const EXCLUDES(mutex_) {
      MutexLock lock(mutex_);
      return outbox_.size();
    }

    void CloseWrites() override {
      {
        MutexLock lock(mutex_);
        closing_ = true;
      }
      Pump();
    }

    void Cancel() override { context_.TryCancel(); }

   private:
    enum class Step { kNothing, kWrite, kClose, kRelease };

    void OnReadInitialMetadataDone(bool ok) override {
      if (!ok) return Lose();
      {
        MutexLock lock(mutex_);
        open_ = true;
        greeter_ = std::this_thread::get_id();
      }
      connected_ = true;
      stream_.SetStanding(this->shared_from_this());
      stream_.loop_.OnConnected();
      Call([this] { stream_.callbacks_.on_connected(); });
      {
        MutexLock lock(mutex_);
        greeter_ = std::thread::id();
      }
      this->StartRead(&incoming_);
    }

    void OnReadDone(bool ok) override {
      if (!ok) return Lose();
      Call([this] { stream_.callbacks_.on_message(std::move(incoming_)); });
      incoming_.Clear();
      this->StartRead(&incoming_);
    }

    void OnWriteDone(bool ok) override { Settle(ok); }
    void OnWritesDoneDone(bool ok) override { Settle(ok); }

    void OnDone(const grpc::Status& status) override {
      InOnDone(this);
      stream_.SetStanding(nullptr);
      const absl::Status why = FromGrpc(status);
      if (connected_) Call([&] { stream_.callbacks_.on_disconnected(why); });
      stream_.loop_.OnDone(why);  // The last touch of this object.
    }

    // Runs a callback; one that throws ends the connection.
    template <typename Callback>
    void Call(Callback callback) {
      const absl::Status status = Guarded([&] {
        callback();
        return absl::OkStatus();
      });
      if (!status.ok()) context_.TryCancel();
    }

    // A write is done.
    void Settle(bool ok) EXCLUDES(mutex_) {
      {
        MutexLock lock(mutex_);
        busy_ = false;
        if (!ok) lost_ = true;
      }
      Pump();
    }

    // Nothing can be read any more: the stream is over.
    void Lose() EXCLUDES(mutex_) {
      {
        MutexLock lock(mutex_);
        lost_ = true;
      }
      Pump();
    }

    // Starts the next write or the close of our side, or lets gRPC end the stream; one thing at a time.
    void Pump() EXCLUDES(mutex_) {
      Step step = Step::kNothing;
      {
        MutexLock lock(mutex_);
        step = NextStep();
        if (step == Step::kWrite) current_ = outbox_.Pop();
      }
      if (step == Step::kWrite) this->StartWrite(&current_);
      if (step == Step::kClose) this->StartWritesDone();
      if (step == Step::kRelease) this->RemoveHold();
    }

    Step NextStep() REQUIRES(mutex_) {
      if (busy_ || released_) return Step::kNothing;
      if (lost_) {
        open_ = false;
        released_ = true;
        outbox_.Clear();
        return Step::kRelease;
      }
      if (!outbox_.empty()) {
        busy_ = true;
        return Step::kWrite;
      }
      if (!closing_ || closed_) return Step::kNothing;
      busy_ = closed_ = true;
      return Step::kClose;
    }

    BidiClientStream& stream_;
    grpc::ClientContext context_;
    Req current_;             // Belongs to gRPC while busy_.
    Resp incoming_;           // Belongs to gRPC while a read is open.
    bool connected_ = false;  // Only used by reactions.
    mutable Mutex mutex_;
    Outbox<Req> outbox_ GUARDED_BY(mutex_);
    std::thread::id greeter_ GUARDED_BY(mutex_);  // Set while on_connected runs.
    bool open_ GUARDED_BY(mutex_) = false;        // Accepted by the server and not lost.
    bool busy_ GUARDED_BY(mutex_) = false;        // A write, or the close of our side, is under way.
    bool closing_ GUARDED_BY(mutex_) = false;     // Close our side when the outbox is empty.
    bool closed_ GUARDED_BY(mutex_) = false;
    bool lost_ GUARDED_BY(mutex_) = false;
    bool released_ GUARDED_BY(mutex_) = false;  // The hold is gone: no more writes.
  };

  std::shared_ptr<Attempt> standing() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return standing_;
  }

  void SetStanding(std::shared_ptr<Attempt> attempt) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    standing_.swap(attempt);
  }

  const ClientStreamOptions options_;
  const Open open_;
  const Callbacks callbacks_;
  mutable Mutex mutex_;
  std::shared_ptr<Attempt> standing_ GUARDED_BY(mutex_);  // The connection, from on_connected to on_disconnected.
  ClientStreamLoop loop_;                                 // Last: its thread uses all above.
};

}  // namespace fleetcast::rpc
