// Looking again and again before sleeping, for channels that could be woken within microseconds.
#pragma once

namespace xpool::transport {

// How often to look: |asked|, or when that is -1 as fits the number of cores this process may use. With fewer than four
// the peer may need the core we would spin on.
int SpinRounds(int asked);

// Tells the core that this thread is waiting.
inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace xpool::transport
