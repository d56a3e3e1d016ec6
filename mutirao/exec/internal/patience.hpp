#pragma once

namespace mutirao::exec::internal {

/// Decides whether it is worth looking for a moment before sleeping. It is when the other side has
/// a core of its own and answers at once; where it must wait for the core on which somebody looks,
/// looking only delays it. Nobody can tell beforehand, so the last looks decide, and now and then
/// one is tried again. One thread at a time.
class Patience {
 public:
  bool worth_a_look() noexcept { return misses_ < kEnough || ++skipped_ % kTryAgain == 0; }
  void hit() noexcept { misses_ = 0; }
  void miss() noexcept {
    if (misses_ < kEnough) ++misses_;
  }

 private:
  static constexpr unsigned kEnough = 2;
  static constexpr unsigned kTryAgain = 16;
  unsigned misses_ = 0;
  unsigned skipped_ = 0;
};

}  // namespace mutirao::exec::internal
