#include "mutirao/train/internal/failure.hpp"

#include <exception>
#include <new>
#include <string>

#include "mutirao/core/error.hpp"

namespace mutirao::train::internal {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

void describe_failure(CandidateResult& row) {
  row.status = CandidateStatus::kFailed;
  try {
    throw;
  } catch (const core::Error& error) {
    row.error = first_line(error.what());
    if (error.code() == core::ErrorCode::kTaskCrashed) row.status = CandidateStatus::kCrashed;
    if (error.code() == core::ErrorCode::kTaskTimeout) row.status = CandidateStatus::kTimeout;
    if (error.code() == core::ErrorCode::kMemoryLimit) row.status = CandidateStatus::kMemory;
  } catch (const std::bad_alloc&) {
    row.status = CandidateStatus::kMemory;
    row.error = "no memory was left";
  } catch (const std::exception& error) {
    row.error = first_line(error.what());
  }
}

}  // namespace mutirao::train::internal
