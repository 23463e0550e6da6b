#!/usr/bin/env python3
"""Plants faults in a toy, compiles it and chooses them one by one."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import plant  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402
import sites  # noqa: E402

TOY = """\
#include <cstdio>
#include <cstdlib>
#define TWICE(x) ((x) + (x))
namespace toy {
constexpr int kSize = 4;  // The compiler needs it.
static_assert(kSize < 5);
constexpr bool Inside(int at, int size) { return at < kSize && size == 1; }
static_assert(Inside(3, 1) && !Inside(4, 1));
int& First(int* all) { return *all; }
int Low(unsigned value) {
  int all[kSize] = {1, 2, 3};
  if (const int first = First(all); first != 1) return -1;
  for (int i = 0; i < 3; ++i) {
    all[i] += TWICE(i);
    if (i == 2) break;
  }
  std::puts("called");
  return value & 0xf;
}
}  // namespace toy
int main(int, char** arguments) {
  int at = std::atoi(arguments[1]);
  std::printf("%d %d\\n", toy::Inside(at, 1), toy::Low(at));
}
"""


class ToyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        (cls.root / "toy.cc").write_text(TOY)
        cls.found = sites.find(cls.root, "toy.cc")
        text, cls.planted = plant.plant(cls.root, "toy.cc", cls.found, 1)
        (cls.root / "planted.cc").write_text(text)
        command = ["clang++", "-std=c++20", "-w", "-o", cls.root / "toy", cls.root / "planted.cc"]
        subprocess.run(command, check=True)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def run_toy(self, at, **environment):
        """What it prints; None when it goes on for ever."""
        command = [self.root / "toy", str(at)]
        try:
            done = subprocess.run(
                command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=False, timeout=60
            )
        except subprocess.TimeoutExpired:
            return None
        return done.stdout.splitlines()

    def number(self, mutated):
        numbers = [number for number, fault in self.planted.items() if fault.mutated == mutated]
        self.assertEqual(len(numbers), 1, f"{mutated} of {[fault.mutated for fault in self.planted.values()]}")
        return numbers[0]

    def mutant(self, mutated, at):
        return self.run_toy(at, IVSHMEM_MUTANT=str(self.number(mutated)))

    def test_without_a_choice_nothing_changes(self):
        self.assertEqual(self.run_toy(19), ["called", "0 3"])
        self.assertEqual(self.run_toy(3), ["called", "1 3"])

    def test_comparison(self):
        self.assertEqual(
            self.mutant("constexpr bool Inside(int at, int size) { return at <= kSize && size == 1; }", 4)[1], "1 4"
        )

    def test_off_by_one(self):
        self.assertEqual(
            self.mutant("constexpr bool Inside(int at, int size) { return at < (kSize) - 1 && size == 1; }", 3)[1], "0 3"
        )
        self.assertEqual(self.mutant("return value & 0xe;", 3), ["called", "1 2"])

    def test_logic(self):
        inside = "constexpr bool Inside(int at, int size) { return %s; }"
        self.assertEqual(self.mutant(inside % "at < kSize || size == 1", 9)[1], "1 9")
        self.assertEqual(self.mutant(inside % "size == 1", 9)[1], "1 9")

    def test_mask(self):
        self.assertEqual(self.mutant("return value;", 19), ["called", "0 19"])

    def test_condition(self):
        self.assertEqual(self.mutant("if (const int first = First(all); first == 1) return -1;", 3)[0], "1 -1")
        self.assertEqual(self.mutant("for (int i = 0; !(i < 3); ++i) {", 3), ["called", "1 3"])

    def test_dropped_call(self):
        self.assertEqual([fault.mutated for fault in self.found if fault.kind == sites.CALL], [";", ";"])
        number = next(n for n, fault in self.planted.items() if fault.original == 'std::puts("called");')
        self.assertEqual(self.run_toy(3, IVSHMEM_MUTANT=str(number)), ["1 3"])

    def test_dropped_jump(self):
        self.assertEqual(self.mutant("if (i == 2) ;", 3), ["called", "1 3"])

    def test_early_return(self):
        self.assertEqual(self.mutant("int Low(unsigned value) { return {};", 3), ["1 0"])

    def test_what_does_not_compile_is_left_out(self):
        def first(faults):
            return [fault for fault in faults if fault.function == "First" and fault.kind == sites.RETURN]

        self.assertEqual((len(first(self.found)), len(first(self.planted.values()))), (1, 0))
        self.assertEqual(list(self.planted), list(range(1, len(self.planted) + 1)))

    def test_constants_and_macros_are_left_alone(self):
        text = " ".join(fault.original for fault in self.found)
        self.assertNotIn("static_assert", text)
        self.assertNotIn("int kSize", text)
        self.assertFalse([fault for fault in self.found if "TWICE" in fault.original and fault.kind == sites.BOUND])

    def test_what_is_reached_is_written_once(self):
        reached = self.root / "reached"
        self.run_toy(3, IVSHMEM_REACHED=str(reached))
        numbers = list(map(int, reached.read_text().split()))
        self.assertEqual(len(numbers), len(set(numbers)))
        self.assertIn(self.number("return value;"), numbers)
        self.assertNotIn(self.number("if (const int first = First(all); first != 1) return -0;"), numbers)


class OrderTest(unittest.TestCase):
    def test_the_likeliest_to_fail_comes_first(self):
        tests = [
            run.Test("b/quick_test", 0.1, frozenset([1])),
            run.Test("a/quick_test", 0.2, frozenset([1])),
            run.Test("a/thing_model_test", 9, frozenset([1])),
            run.Test("a/thing_test", 3, frozenset([1])),
            run.Test("a/elsewhere_test", 0.1, frozenset([2])),
        ]
        order = [test.path for test in run.in_order(1, "a/thing.cc", tests)]
        self.assertEqual(order, ["a/thing_test", "a/thing_model_test", "a/quick_test", "b/quick_test"])


class ReportTest(unittest.TestCase):
    FAULTS = {
        number: sites.Fault("a/b.cc", number, "F", kind, sites.TRUTH, 0, 1, "", f"old {number}", f"new {number}")
        for number, kind in enumerate([sites.BOUND, sites.MASK, sites.MASK, sites.CALL], 1)
    }

    def explain(self, results, *numbers):
        explanations = [report.Explanation("a/b.cc", f"old {n}", f"new {n}", "same") for n in numbers]
        became, idle = report.explain(results, self.FAULTS, explanations)
        return became, [one.original for one in idle]

    def test_survivors_are_explained(self):
        results = {1: report.KILLED, 2: report.SURVIVED, 3: report.UNREACHED}
        self.assertEqual(
            self.explain(results, 2, 3), ({1: report.KILLED, 2: report.EXPLAINED, 3: report.EXPLAINED}, [])
        )

    def test_explanations_that_explain_nothing(self):
        # 1 is killed, 9 is of no fault; 4 has not run.
        self.assertEqual(self.explain({1: report.KILLED}, 1, 4, 9), ({1: report.KILLED}, ["old 1", "old 9"]))

    def test_tables(self):
        results = {1: report.KILLED, 2: report.SURVIVED, 3: report.UNREACHED, 4: report.EXPLAINED}
        lines = [" ".join(line.split()) for line in report.tables(results, self.FAULTS).splitlines()]
        self.assertIn("| mask | 2 | 0 | 2 | 0 |", lines)
        self.assertIn("| call dropped | 1 | 0 | 0 | 1 |", lines)
        self.assertIn("| a | 4 | 1 | 2 | 1 |", lines)
        self.assertEqual(lines.count("| all | 4 | 1 | 2 | 1 |"), 2)


if __name__ == "__main__":
    unittest.main()
