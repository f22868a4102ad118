#include "tools/fleetcast/interrupt.h"

#include <csignal>

namespace fleetcast::cli {
namespace {

sigset_t InterruptSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

void BlockInterrupts() {
  const sigset_t signals = InterruptSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

InterruptWatch::InterruptWatch(std::function<void()> on_interrupt) {
  thread_ = std::jthread([this, on_interrupt = std::move(on_interrupt)](std::stop_token stop) {
    const sigset_t signals = InterruptSignals();
    const timespec look = {0, 50'000'000};  // How soon the destructor is noticed.
    while (!stop.stop_requested()) {
      if (sigtimedwait(&signals, nullptr, &look) < 0) continue;
      interrupted_ = true;
      on_interrupt();
      return;
    }
  });
}

}  // namespace fleetcast::cli
