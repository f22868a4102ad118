// The rules of reliability section 2 that a simulated run is held to. Those named On… judge an event as it happens;
// those named Check… the whole run, when it has come to rest. Each reports by History::Fail with the rule's id.
#pragma once

#include <vector>

#include "tests/sim/history.h"
#include "tests/sim/world.h"

namespace fleetcast::sim::rules {

// A request was just written to a device: M1, M2, M6, J8, J9, J10, J12, S1.
void OnWritten(World& world, int64_t job, int device, const TargetHistory& target);
// A twin was just changed by a job: T8 (effectively once), J8, J9, J10.
void OnTwinWritten(World& world, int64_t job, int device, const TargetHistory& target);
// The answer to GetJob: J3, J5, J6, J7, J14.
void OnJobRead(World& world, int64_t number, JobHistory& job, const job_store::Job& read);
// All executions of a job: J4, A11.
void OnExecutionsRead(World& world, int64_t number, JobHistory& job, const std::vector<job_store::Execution>& all);
// A session was given its epoch; a connection was accepted with it: S2.
void OnRegistered(World& world, int device, int64_t epoch);
void OnAccepted(World& world, uint64_t connection, const ConnectionHistory& history);

// All jobs have ended.
void CheckTargets(World& world);   // J3
void CheckOutcomes(World& world);  // J4, J11, M3, M4, M9, T8
void CheckAnswers(World& world);   // M5, in runs without faults.
void CheckFairness(World& world);  // J8 (not late), J13, in runs without faults.
void CheckDirect(World& world);    // M1, M3, M7
void CheckSessions(World& world);  // S1, S3, S5: after some time without faults.

}  // namespace fleetcast::sim::rules
