// Bugs that are built in on purpose, so that tests can prove that they would be noticed (reliability 2.8).
//
// Only builds with FLEETCAST_SEEDED_BUGS (preset `bugs`) hold them; elsewhere a hook is a constant false and vanishes.
// Such a build has no bug until a process is started with FLEETCAST_SEEDED_BUG=<name>. docs/testing.md lists which rule
// each of them breaks; tests/chaos/seeded proves it.
#pragma once

namespace fleetcast {

enum class SeededBug {
  kNone,
  kSkipEpochCheck,        // skip-epoch-check: whoever once held a chunk may issue from it.
  kAckBeforeCommit,       // ack-before-commit: databases and edges answer before a transaction is on disk.
  kDeleteAnySession,      // delete-any-session: the end of a connection removes whatever session its device has.
  kNotifyWithoutOrder,    // notify-without-order: desired changes leave in reverse and reach devices as they come.
  kCountTwice,            // count-twice: some outcomes are counted two times.
  kAnswerFromAnySession,  // answer-from-any-session: any connection may answer any call.
  kContinueAfterCancel,   // continue-after-cancel: a cancel does not stop the chunks of its job.
  kDropNotification,      // drop-notification: every fifth desired change is skipped without a word.
  kTrustLeaseForever,     // wall-clock-lease: a lease is believed on, as if measured by a clock that was set back.
  kLeaseForgetsIntents,   // lease-forgets-intents: the lease query hands out targets again that were issued.
};

#ifdef FLEETCAST_SEEDED_BUGS
// Whether `bug` is the one that this process was started with. Thread-safe.
bool IsSeeded(SeededBug bug);
#else
constexpr bool IsSeeded(SeededBug) { return false; }
#endif

}  // namespace fleetcast
