// Which desired changes one connection has seen: strictly in order, or not at all (T5, D-TWN-1).
#pragma once

#include <cstdint>

namespace fleetcast::mqtt_edge {

// Tracks the versions of one connection. A device that subscribes gets every change after the version at which its
// subscription was registered. If it has read an older document before, or a change came while the registration was on
// its way, the current document is sent once to catch up. A device whose stored subscription was restored gets every
// change after the first that comes. Not thread-safe; a value.
class DesiredFeed {
 public:
  enum class Verdict : uint8_t {
    kSend,  // Send this change now.
    kSkip,  // The device has it, will have it with the document under way, or does not listen.
    kGap,   // A change is missing: close the connection, so that the device reads its twin.
  };

  // The subscription of a stored session is active from the start.
  void Resume() { state_ = State::kActive; }

  // The device asked for the subscription; registration is under way.
  void Subscribing() {
    if (state_ == State::kOff) state_ = State::kPending;
  }

  // The subscription is registered as of `version` (0 = unknown). True: ask for the document to catch up.
  bool Subscribed(int64_t version);

  // The hub says again, after an outage, that the current version is `version`. True: changes were missed meanwhile.
  bool HasMissed(int64_t version) const {
    return state_ == State::kActive && sent_version_ > 0 && version > sent_version_;
  }

  void Unsubscribed();

  // The device got its twin with this version of the desired properties.
  void OnRead(int64_t version) { read_version_ = version; }

  enum class CatchUp : uint8_t {
    kSend,       // Send the document as the change to its version.
    kSkip,       // It is not needed any more.
    kReadAgain,  // It is out of date already.
  };

  // The document to catch up has come, with this version of the desired properties.
  CatchUp OnDocument(int64_t version);

  // A change arrived from the hub.
  Verdict OnChange(int64_t version);

 private:
  enum class State : uint8_t { kOff, kPending, kCatchingUp, kActive };

  State state_ = State::kOff;
  int64_t sent_version_ = 0;  // What the device has through this subscription; 0 = not known yet.
  int64_t seen_version_ = 0;  // Newest change that arrived while pending or catching up.
  int64_t read_version_ = 0;  // Of the last twin read on this connection; 0 = none.
};

}  // namespace fleetcast::mqtt_edge
