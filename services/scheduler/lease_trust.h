// How long this process may believe that it owns what it leased (reliability 7.3, "trust window").
#pragma once

#include <algorithm>

#include "absl/time/time.h"
#include "libs/base/seeded_bug.h"

namespace fleetcast::scheduler {

// The numbers of every lease. Trust ends `margin` before the database lets go, so that a pause between "I may" and "I
// do" cannot outlive the lease; permits (1 s) fit into the margin as well.
struct LeaseTerms {
  absl::Duration ttl = absl::Seconds(10);
  absl::Duration renew_after = absl::Seconds(3);
  absl::Duration margin = absl::Seconds(2);
};

// One lease, seen from its owner. All times are monotonic and taken *before* the statement was sent: the answer may
// have been under way for longer than the lease lasts.
class LeaseTrust {
 public:
  LeaseTrust(const LeaseTerms& terms, absl::Duration claimed) : terms_(terms), claimed_(claimed) {}

  // True while it is certain that nobody else owns it.
  bool IsTrusted(absl::Duration now) const {
    return now < claimed_ + terms_.ttl - terms_.margin || IsSeeded(SeededBug::kTrustLeaseForever);
  }
  // True when it should be renewed; false while a renewal is under way.
  bool RenewalIsDue(absl::Duration now) const { return now >= renew_at_; }
  // When RenewalIsDue becomes true; infinite while a renewal is under way.
  absl::Duration renew_at() const { return renew_at_; }

  void BeginRenewal() { renew_at_ = absl::InfiniteDuration(); }
  // `sent`: when the statement that extended the lease was sent.
  void Renewed(absl::Duration sent) {
    claimed_ = std::max(claimed_, sent);
    renew_at_ = claimed_ + terms_.renew_after;
  }
  // The renewal failed for a reason that says nothing about the lease: due again at `retry_at`.
  void RenewalFailed(absl::Duration retry_at) { renew_at_ = retry_at; }

 private:
  LeaseTerms terms_;
  absl::Duration claimed_;
  absl::Duration renew_at_ = claimed_ + terms_.renew_after;
};

}  // namespace fleetcast::scheduler
