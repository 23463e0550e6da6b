// Options of the sanitizers, built into every binary of their configurations:
// so a test behaves the same under Bazel, in a debugger and started by hand.
// (.bazelrc links this into all of them with --custom_malloc.)

extern "C" const char* __asan_default_options() {
  return "check_initialization_order=1:detect_stack_use_after_return=1:strict_"
         "string_checks=1";
}

extern "C" const char* __ubsan_default_options() {
  return "print_stacktrace=1";
}

extern "C" const char* __tsan_default_options() {
  return "second_deadlock_stack=1";
}

// absl::Mutex hands threads on through its own semaphore, whose memory TSan saw
// only being mapped. The user's accesses under the mutex are still checked.
extern "C" const char* __tsan_default_suppressions() {
  return "race:absl::*synchronization_internal\n"
         "race:AbslInternalPerThreadSem\n";
}
