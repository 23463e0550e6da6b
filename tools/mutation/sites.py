"""Where a source can be broken, and how: one Fault for each way.

libclang says where expressions and statements begin and end, so that nothing
depends on how the code is laid out. What comes out of a macro is left alone.
"""

import dataclasses
import functools
import re

from clang import cindex
from clang.cindex import CursorKind, TypeKind

# Kinds of faults, as the closing table names them.
COMPARISON = "comparison"
BOUND = "bound"
MASK = "mask"
LOGIC = "logic"
CONDITION = "condition"
ARITHMETIC = "arithmetic"
ASSIGNMENT = "assignment dropped"
CALL = "call dropped"
JUMP = "jump dropped"
RETURN = "early return"
KINDS = (COMPARISON, BOUND, MASK, LOGIC, CONDITION, ARITHMETIC, ASSIGNMENT, CALL, JUMP, RETURN)

# How a fault and what was there become one piece of C++ (see plant.py).
VALUE, TRUTH, STATEMENT, ENTRY = "value", "truth", "statement", "entry"

_FLIPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
# By how much the right side is to move, so that it is not the flipped operator
# again: a < b + 1 is a <= b.
_MOVED = {"<": " - 1", "<=": " + 1", ">": " + 1", ">=": " - 1"}
_DROPS_RIGHT = ("&", "|", "^", "%", "<<", ">>")
_SWAPPED = {"+": "-", "-": "+", "+=": "-=", "-=": "+=", "|=": "=", "&=": "="}
_INTEGERS = {
    TypeKind.INT, TypeKind.UINT, TypeKind.LONG, TypeKind.ULONG, TypeKind.LONGLONG, TypeKind.ULONGLONG,
    TypeKind.SHORT, TypeKind.USHORT, TypeKind.UCHAR, TypeKind.SCHAR,
}  # fmt: skip
_FUNCTIONS = {
    CursorKind.FUNCTION_DECL, CursorKind.CXX_METHOD, CursorKind.FUNCTION_TEMPLATE,
    CursorKind.CONSTRUCTOR, CursorKind.DESTRUCTOR, CursorKind.CONVERSION_FUNCTION,
}  # fmt: skip
# What the compiler evaluates, where nothing can be chosen when it runs.
_CONSTANT = {
    CursorKind.STATIC_ASSERT, CursorKind.ENUM_DECL, CursorKind.TEMPLATE_NON_TYPE_PARAMETER,
    CursorKind.TEMPLATE_REF, CursorKind.TYPE_ALIAS_DECL, CursorKind.ALIGNED_ATTR,
}  # fmt: skip


class Unparsable(Exception):
    """The source has errors before anything was done to it."""


@dataclasses.dataclass(frozen=True)
class Fault:
    file: str  # Relative to the root of the repository.
    line: int
    function: str
    kind: str
    form: str
    start: int  # The expression or statement that the fault is in ...
    end: int
    mutant: str  # ... and what it is with the fault.
    original: str  # Both as whole lines, without indentation: for people.
    mutated: str

    @property
    def key(self):
        """What stays the same when other lines change."""
        return self.file, self.original, self.mutated


def parse(root, file, text=None):
    """The translation unit of `file`, which is `text` if given."""
    path = str(root / file)
    arguments = ["-xc++", "-std=c++20", "-w", "-Wno-c++11-narrowing", f"-I{root}"]
    unsaved = None if text is None else [(path, text)]
    record = cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD
    return cindex.Index.create().parse(path, arguments, unsaved, record)


def errors(root, file, text=None):
    """[(offset, message)] of what keeps `file`, or `text` in its place, from compiling."""
    return _errors(parse(root, file, text))


def _errors(unit):
    # Not the diagnostics themselves, which end with their unit.
    bad = [found for found in unit.diagnostics if found.severity >= cindex.Diagnostic.Error]
    return [(found.location.offset, str(found.spelling)) for found in bad]


def read(path):
    """A source whose characters are its bytes, as libclang counts bytes."""
    return path.read_text(encoding="latin-1")


def _span(cursor):
    return cursor.extent.start.offset, cursor.extent.end.offset


class _Finder:
    def __init__(self, root, file):
        self.file = file
        self.text = read(root / file)
        unit = parse(root, file)
        if _errors(unit):
            raise Unparsable(f"{file}: {_errors(unit)[0][1]}")
        self.path = unit.spelling
        self.macros = []
        self.found = {}
        top = [cursor for cursor in unit.cursor.get_children() if self._is_here(cursor)]
        self.macros = [_span(cursor) for cursor in top if cursor.kind == CursorKind.MACRO_INSTANTIATION]
        for cursor in top:
            self._visit(cursor, "")

    def _is_here(self, cursor):
        return cursor.location.file is not None and cursor.location.file.name == self.path

    def _add(self, kind, form, where, edit, function, context=None):
        """A fault in `where`, which is there when `edit`, (start, end, text), is made."""
        (start, end), (edit_start, edit_end, new) = where, edit
        if any(first <= start and end <= last + 1 for first, last in self.macros):
            return
        line_start = self.text.rfind("\n", 0, edit_start) + 1 if context is None else context
        line_end = self.text.find("\n", edit_end)
        before, after = self.text[line_start:edit_start], self.text[edit_end:line_end]
        # The comment behind the code says nothing about it.
        after = re.sub(r"\s//.*", "", after)
        original = " ".join((before + self.text[edit_start:edit_end] + after).split())
        mutated = " ".join((before + new + after).split())
        fault = Fault(
            file=self.file,
            line=self.text.count("\n", 0, edit_start) + 1,
            function=function,
            kind=kind,
            form=form,
            start=start,
            end=end,
            mutant=self.text[start:edit_start] + new + self.text[edit_end:end],
            original=original,
            mutated=mutated,
        )
        self.found.setdefault((start, end, fault.mutant), fault)

    def _visit(self, cursor, function):
        kind = cursor.kind
        if kind in _CONSTANT or self._is_constant(cursor):
            return
        if kind in _FUNCTIONS:
            function = self._qualified(cursor)
            self._entry(cursor, function)
        elif kind.is_expression():
            self._operator(cursor, function)
            self._literal(cursor, function)
        children = list(cursor.get_children())
        if kind in (CursorKind.IF_STMT, CursorKind.WHILE_STMT, CursorKind.FOR_STMT, CursorKind.CONDITIONAL_OPERATOR):
            self._condition(cursor, children, function)
        for child in self._bodies(cursor, children):
            self._statement(child, function)
        for child in children[1:] if kind == CursorKind.CASE_STMT else children:
            self._visit(child, function)

    @staticmethod
    def _qualified(cursor):
        owner = cursor.semantic_parent
        is_member = owner is not None and owner.kind in (
            CursorKind.CLASS_DECL, CursorKind.STRUCT_DECL, CursorKind.CLASS_TEMPLATE,
        )  # fmt: skip
        return f"{owner.spelling}::{cursor.spelling}" if is_member else cursor.spelling

    def _is_constant(self, cursor):
        """A constexpr variable, or an if that the compiler decides."""
        start, end = _span(cursor)
        if cursor.kind in (CursorKind.VAR_DECL, CursorKind.FIELD_DECL):
            return re.search(r"\bconstexpr\b", self.text[start : cursor.location.offset]) is not None
        return cursor.kind == CursorKind.IF_STMT and re.match(r"if\s+constexpr\b", self.text[start:end]) is not None

    def _operator(self, cursor, function):
        children = list(cursor.get_children())
        if len(children) < 2:
            if cursor.kind == CursorKind.UNARY_OPERATOR:
                self._unary(cursor, children, function)
            return
        (start, end), left, right = _span(cursor), _span(children[0]), _span(children[-1])
        if left[0] != start or right[1] != end:
            return
        gap = self.text[left[1] : right[0]]
        operator = gap.strip()
        at = left[1] + gap.find(operator) if operator else left[1]
        swap = functools.partial(lambda new: (at, at + len(operator), new))
        drop_right, drop_left = (left[1], right[1], ""), (left[0], right[0], "")
        add = functools.partial(self._add, where=(start, end), function=function)
        if operator in _FLIPPED:
            add(COMPARISON, TRUTH, edit=swap(_FLIPPED[operator]))
            if operator in _MOVED and self._is_integer(children[-1]) and not self._is_literal(children[-1]):
                moved = f"({self.text[right[0]:right[1]]}){_MOVED[operator]}"
                add(BOUND, TRUTH, edit=(*right, moved))
        elif operator in ("&&", "||"):
            add(LOGIC, TRUTH, edit=swap("||" if operator == "&&" else "&&"))
            add(LOGIC, TRUTH, edit=drop_right)
            add(LOGIC, TRUTH, edit=drop_left)
        elif operator in _DROPS_RIGHT:
            add(MASK, VALUE, edit=drop_right)
            if operator == "|":
                add(MASK, VALUE, edit=drop_left)
        elif operator in _SWAPPED:
            add(MASK if operator in ("|=", "&=") else ARITHMETIC, VALUE, edit=swap(_SWAPPED[operator]))

    def _unary(self, cursor, children, function):
        start, end = _span(cursor)
        if children and self.text[start] == "~":
            self._add(MASK, VALUE, (start, end), (start, start + 1, ""), function)

    def _literal(self, cursor, function):
        start, end = _span(cursor)
        text = self.text[start:end]
        if cursor.kind == CursorKind.CXX_BOOL_LITERAL_EXPR and text in ("true", "false"):
            self._add(CONDITION, VALUE, (start, end), (start, end, "false" if text == "true" else "true"), function)
        match = re.fullmatch(r"(0[xX][0-9a-fA-F]+|[0-9]+)([uUlL]*)", text)
        if cursor.kind != CursorKind.INTEGER_LITERAL or not match:
            return
        is_hex, number = match[1].lower().startswith("0x"), int(match[1], 0)
        for moved in (number + 1, number - 1):
            if moved >= 0:
                new = (hex(moved) if is_hex else str(moved)) + match[2]
                self._add(BOUND, VALUE, (start, end), (start, end, new), function)

    @staticmethod
    def _is_integer(cursor):
        return cursor.type.get_canonical().kind in _INTEGERS

    @staticmethod
    def _is_literal(cursor):
        while cursor.kind == CursorKind.UNEXPOSED_EXPR and len(list(cursor.get_children())) == 1:
            cursor = next(cursor.get_children())
        return cursor.kind == CursorKind.INTEGER_LITERAL

    def _condition(self, cursor, children, function):
        found = self._condition_of(cursor, children)
        if found is None or not found.kind.is_expression():
            return
        start, end = _span(found)
        parts = list(found.get_children())
        while len(parts) == 1 and parts[0].extent == found.extent:
            parts = list(parts[0].get_children())
        if len(parts) >= 2:
            operator = self.text[_span(parts[0])[1] : _span(parts[-1])[0]].strip()
            if operator in ("==", "!=", "&&", "||"):
                return  # _operator() does that, or more.
        self._add(CONDITION, TRUTH, (start, end), (start, end, f"!({self.text[start:end]})"), function)

    def _condition_of(self, cursor, children):
        if cursor.kind == CursorKind.CONDITIONAL_OPERATOR:
            return children[0]
        # The header's ( ... ) and the ; in it say which child is which.
        tokens, depth, first, semicolons, close = cursor.get_tokens(), 0, None, [], None
        for token in tokens:
            depth += token.spelling in ("(", "{", "[")
            if token.spelling == "(" and first is None:
                first = token.extent.end.offset
            depth -= token.spelling in (")", "}", "]")
            if token.spelling == ";" and depth == 1:
                semicolons.append(token.extent.start.offset)
            if first is not None and depth == 0:
                close = token.extent.start.offset
                break
        if close is None:
            return None
        start, end = (semicolons[-1] if semicolons else first), close
        if cursor.kind == CursorKind.FOR_STMT:
            if len(semicolons) != 2:
                return None
            start, end = semicolons
        inside = [child for child in children if start <= _span(child)[0] and _span(child)[1] <= end]
        return inside[-1] if inside else None

    def _bodies(self, cursor, children):
        """The children that stand as statements of their own."""
        kind = cursor.kind
        if kind == CursorKind.COMPOUND_STMT:
            return children
        if kind in (CursorKind.CASE_STMT, CursorKind.DEFAULT_STMT):
            return children[-1:]
        if kind == CursorKind.IF_STMT:
            condition = self._condition_of(cursor, children)
            return [] if condition is None else [c for c in children if _span(c)[0] >= _span(condition)[1]]
        if kind in (CursorKind.WHILE_STMT, CursorKind.FOR_STMT, CursorKind.CXX_FOR_RANGE_STMT):
            return children[-1:]
        return []

    def _statement(self, cursor, function):
        start, end = _span(cursor)
        semicolon = re.compile(r"\s*;").match(self.text, end)
        if semicolon is None:
            return
        if cursor.kind in (CursorKind.BREAK_STMT, CursorKind.CONTINUE_STMT):
            kind = JUMP
        elif cursor.kind == CursorKind.RETURN_STMT and self.text[start:end] == "return":
            kind = JUMP
        elif cursor.kind.is_expression():
            kind = ASSIGNMENT if self._assigns(cursor) else CALL
        else:
            return
        whole = (start, semicolon.end())
        self._add(kind, STATEMENT, whole, (*whole, ";"), function)

    def _assigns(self, cursor):
        children = list(cursor.get_children())
        if cursor.kind == CursorKind.UNARY_OPERATOR:
            return True
        if len(children) == 1 and children[0].extent == cursor.extent:
            return self._assigns(children[0])
        if len(children) < 2:
            return False
        between = self.text[_span(children[0])[1] : _span(children[-1])[0]].strip()
        return re.fullmatch(r"(<<|>>|[-+*/%&|^])?=", between) is not None

    def _entry(self, cursor, function):
        """The function that does nothing."""
        body = [child for child in cursor.get_children() if child.kind == CursorKind.COMPOUND_STMT]
        if not body or not list(body[-1].get_children()):
            return
        brace = _span(body[-1])[0] + 1
        returns_none = cursor.kind in (CursorKind.CONSTRUCTOR, CursorKind.DESTRUCTOR)
        returns_none = returns_none or cursor.result_type.kind == TypeKind.VOID
        new = " return;" if returns_none else " return {};"
        self._add(RETURN, ENTRY, (brace, brace), (brace, brace, new), function, context=_span(cursor)[0])


def find(root, file):
    """All faults of `file` (relative to `root`), in the order of the source."""
    found = _Finder(root, file).found.values()
    return sorted(found, key=lambda fault: (fault.start, -fault.end, KINDS.index(fault.kind), fault.mutant))
