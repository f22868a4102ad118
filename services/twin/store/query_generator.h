// Generated twins, conditions and whole queries, for tests: small alphabets, so that things meet.
#pragma once

#include <string>

#include "libs/base/random.h"

namespace fleetcast::twin {

// The same seed gives the same sequence. One thread.
class QueryGenerator final : public Random {
 public:
  explicit QueryGenerator(uint64_t seed) : state_(seed) {}

  uint64_t Next() override;

  // A section of a twin, `depth` levels below its own.
  std::string Document(int depth);
  // An expression in the place of a condition, with at most `depth` levels of operators.
  std::string Condition(int depth);
  // SELECT with aggregates, mostly grouped, mostly with a condition.
  std::string GroupQuery();
  // SELECT with paths.
  std::string Projection();

 private:
  template <size_t N>
  std::string Pick(const char* const (&choices)[N]) {
    return choices[Below(N)];
  }

  std::string Leaf();
  std::string Path();
  std::string Literal();
  std::string List(int depth);
  std::string Value(int depth);
  std::string Number(int depth);
  std::string Text(int depth);
  std::string Test(int depth);

  uint64_t state_;
};

}  // namespace fleetcast::twin
