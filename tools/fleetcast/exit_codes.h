// Exit codes of this program, part of its contract (README, --help).
#pragma once

namespace fleetcast::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;         // Refused or failed; the error says why.
inline constexpr int kExitUsage = 2;          // Wrong command line; nothing was done.
inline constexpr int kExitUnreachable = 3;    // Fleetcast cannot be reached: worth trying again.
inline constexpr int kExitJobNotGood = 4;     // The watched job ended, but not every device succeeded.
inline constexpr int kExitInterrupted = 130;  // Ctrl-C. What was started goes on.

}  // namespace fleetcast::cli
