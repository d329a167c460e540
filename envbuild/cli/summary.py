"""What a command found, as text for people and as a document for machines. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild.redact import redact

if TYPE_CHECKING:
    from packaging.pylock import Package

    from envbuild.cli.terminal import Terminal
    from envbuild.emit.bundle import Bundle
    from envbuild.emit.shared import SharedBundle
    from envbuild.entries.requirements import CondaRequirement
    from envbuild.image.build import ImageResult
    from envbuild.locking.context import Context
    from envbuild.locking.lock import Lock, PlatformLock
    from envbuild.merge import Change, Plan
    from envbuild.model import Model
    from envbuild.notices import Notice
    from envbuild.server import ServerProfile
    from envbuild.serving import Server
    from envbuild.spec import EnvSpec, PipRequirement

__all__ = [
    "bundle_document",
    "bundle_text",
    "image_document",
    "image_text",
    "inspect_document",
    "inspect_text",
    "lock_document",
    "lock_text",
    "server_document",
    "server_text",
    "servers_document",
    "servers_text",
    "shared_document",
    "shared_text",
]

_LABEL_WIDTH = 10


def lock_document(lock: Lock, context: Context, *, notices: Iterable[Notice]) -> dict[str, Any]:
    """``envbuild lock --json``; documented in ``docs/reference/json.md``."""
    return {
        "model": lock.model.name,
        "context": str(context.path),
        "server": lock.server.name,
        "runtime": lock.plan.runtime,
        "python": str(lock.plan.python),
        "base_image": lock.base_image,
        "input_digest": lock.input_digest,
        "platforms": [_platform_document(lock, platform) for platform in lock.platforms],
        "changes": [_change_document(change) for change in lock.changes],
        "notices": [_notice_document(notice) for notice in notices],
        "files": sorted(context.files()),
    }


def lock_text(
    lock: Lock,
    context: Context,
    *,
    notices: Iterable[Notice],
    terminal: Terminal,
) -> str:
    """The summary after ``envbuild lock``: what is in it, what was changed, what comes next."""
    directory = context.path
    platforms = ", ".join(str(platform.target.platform) for platform in lock.platforms)
    head = f"Locked {lock.model.name} for {lock.server.name} on {platforms}"
    lines = [terminal.style(head, "bold"), _row("Python", _python_text(lock.plan))]
    for platform in lock.platforms:
        where = "" if len(lock.platforms) == 1 else f"{platform.target.platform}, "
        if platform.conda:
            lines.append(_row("conda", where + _conda_text(lock.plan, platform)))
        lines.append(_row("packages", where + _packages_text(lock.plan, platform)))
    lines += [_row("changed", _change_text(change)) for change in lock.changes]
    lines += [_row("to build", text) for text in _to_build(lock.platforms)]
    lines += _notice_rows(notices, terminal)
    lines.append(_row("wrote", f"{directory}: {', '.join(_top_level(context.files()))}"))
    lines.append(_row("next", f"envbuild export {directory} -o {_bundle_name(directory)}"))
    return "\n".join(lines)


def inspect_document(model: Model, spec: EnvSpec, plan: Plan) -> dict[str, Any]:
    """``envbuild inspect --json``; documented in ``docs/reference/json.md``."""
    return {
        "model": model.name,
        "path": str(model.path),
        "mlflow_version": model.mlflow_version,
        "python_version": model.python_version,
        "flavors": [flavor.name for flavor in model.flavors],
        "files": list(spec.files),
        "server": plan.server.name,
        "runtime": plan.runtime,
        "python": str(plan.python),
        "channels": [redact(channel) for channel in spec.channels],
        "conda": [
            {"requirement": entry.text, "origin": str(entry.origin)}
            for entry in (*spec.conda, *spec.conda_tools)
        ],
        "requirements": [_requirement_document(entry) for entry in plan.requirements],
        "constraints": [_requirement_document(entry) for entry in plan.constraints],
        "changes": [_change_document(change) for change in plan.changes],
        "notices": [_notice_document(notice) for notice in plan.notices],
    }


def inspect_text(model: Model, spec: EnvSpec, plan: Plan, *, terminal: Terminal) -> str:
    """The merged environment as a table of requirement and origin."""
    files = ", ".join(spec.files) or "no environment file: derived from MLmodel"
    lines = [
        terminal.style(f"{model.name} ({files}) for {plan.server.name}", "bold"),
        _row("Python", _python_text(plan)),
        _row("runtime", plan.runtime),
    ]
    if plan.conda:
        lines.append(_row("channels", ", ".join(map(redact, plan.channels))))
    conda = [(_conda_spec(one), f"{one.origin} (conda)") for one in plan.conda]
    lines += [f"  {shown}  {terminal.style(origin, 'dim')}" for shown, origin in _aligned(conda)]
    width = max((len(entry.pep508()) for entry in plan.requirements), default=0)
    lines += [
        f"  {entry.pep508():<{width}}  {terminal.style(str(entry.origin), 'dim')}"
        for entry in plan.requirements
    ]
    lines += [_row("changed", _change_text(change)) for change in plan.changes]
    lines += _notice_rows(plan.notices, terminal)
    return "\n".join(lines)


def _conda_spec(one: CondaRequirement) -> str:
    from envbuild.merging.conda_names import show

    channel = f"{redact(one.channel)}::" if one.channel else ""
    return f"{channel}{show(one)}"


def _aligned(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    width = max((len(first) for first, _ in rows), default=0)
    return [(f"{first:<{width}}", second) for first, second in rows]


def bundle_document(bundle: Bundle) -> dict[str, Any]:
    """``envbuild export --json``; documented in ``docs/reference/json.md``."""
    return {
        "model": bundle.model_name,
        "bundle": str(bundle.path),
        "server": bundle.server,
        "platforms": list(bundle.platforms),
        "packages": [
            {
                "name": package.name,
                "version": str(package.version),
                "file": package.file,
                "sha256": package.sha256,
                "size": package.size,
                "built": package.built,
            }
            for package in bundle.packages
        ],
    }


def bundle_text(bundle: Bundle, *, terminal: Terminal) -> str:
    """The summary after ``envbuild export``."""
    size = sum(package.size for package in bundle.packages)
    built = [f"{one.name} {one.version}" for one in bundle.packages if one.built]
    lines = [
        terminal.style(f"Exported {bundle.model_name} to {bundle.path}", "bold"),
        _row("wheels", f"{len(bundle.packages)}, {size / 1e6:.1f} MB"),
    ]
    if built:
        lines.append(_row("built", ", ".join(built)))
    lines.append(_row("next", f"envbuild verify {bundle.path}"))
    return "\n".join(lines)


def shared_document(shared: SharedBundle) -> dict[str, Any]:
    """``envbuild export --json`` of several contexts; documented in ``docs/reference/json.md``."""
    return {
        "bundle": str(shared.path),
        "bytes_separate": shared.separate,
        "bytes_shared": shared.shared,
        "bundles": [
            {"folder": name, **bundle_document(bundle)}
            for name, bundle in sorted(shared.bundles.items())
        ],
    }


def shared_text(shared: SharedBundle, *, terminal: Terminal) -> str:
    """The summary after ``envbuild export`` of several contexts."""
    head = f"Exported {len(shared.bundles)} bundles to {shared.path}"
    saved = shared.separate - shared.shared
    return "\n".join((
        terminal.style(head, "bold"),
        _row("bytes", f"{shared.shared / 1e6:.1f} MB, {saved / 1e6:.1f} MB saved by sharing"),
        *(_row("bundle", name) for name in sorted(shared.bundles)),
    ))  # fmt: skip


def image_document(image: ImageResult, *, digest: str) -> dict[str, Any]:
    """``envbuild build --json``; ``digest`` is the one in the registry, empty without a push."""
    return {
        "id": image.id,
        "tag": image.tag,
        "size": image.size,
        "digest": digest,
        "bill": dict(image.bill),
        "layers": [
            {"size": layer.size, "instruction": layer.instruction} for layer in image.layers
        ],
    }


def image_text(image: ImageResult, *, digest: str, terminal: Terminal) -> str:
    """The summary after ``envbuild build``: the image, and what each part adds to it."""
    lines = [
        terminal.style(f"Built {image.tag}", "bold"),
        _row("image", f"{image.id}, {image.size / 1e6:.1f} MB"),
    ]
    lines += [
        _row("of which", f"{size / 1e6:>7.1f} MB  {part}")
        for part, size in image.bill.items()
        if size
    ]
    if terminal.verbose:
        lines += [
            _row("layer", f"{layer.size / 1e6:>7.1f} MB  {layer.instruction}")
            for layer in image.layers
            if layer.size
        ]
    if digest:
        lines.append(_row("pushed", digest))
    return "\n".join(lines)


def server_document(server: Server) -> dict[str, Any]:
    """``envbuild serve --json``: printed once the server answers."""
    return {
        "url": server.url,
        "scoring": server.scoring,
        "curl": server.curl,
        "pid": server.pid,
        "seconds": round(server.seconds, 3),
        "environment": str(server.environment),
    }


def server_text(server: Server, *, terminal: Terminal) -> str:
    """What ``envbuild serve`` says once the server answers."""
    lines = [
        terminal.style(f"Serving at {server.url}", "bold"),
        _row("answers", f"after {server.seconds:.1f} s"),
        _row("python", str(server.environment / "bin" / "python")),
    ]
    if server.curl:
        lines.append(_row("try", server.curl))
    lines.append(_row("stop", "Ctrl-C"))
    return "\n".join(lines)


def servers_document(profiles: Sequence[ServerProfile], *, python: str) -> dict[str, Any]:
    """``envbuild servers --json``."""
    return {
        "servers": [
            {
                "name": profile.name,
                "summary": profile.summary,
                "port": profile.port,
                "packages": [
                    {
                        "python": str(packages.python),
                        "rank": packages.rank,
                        "reason": packages.reason,
                        "requirements": [entry.pep508() for entry in packages.packages],
                    }
                    for packages in _sets(profile, python)
                ],
            }
            for profile in profiles
        ]
    }


def servers_text(profiles: Sequence[ServerProfile], *, python: str, terminal: Terminal) -> str:
    """Each profile with what it needs, by Python."""
    lines: list[str] = []
    for profile in profiles:
        lines.append(f"{terminal.style(profile.name, 'bold')}: {profile.summary}")
        for packages in _sets(profile, python):
            if packages.rank == 0:
                needs = ", ".join(entry.pep508() for entry in packages.packages) or "nothing"
                lines.append(f"  Python {str(packages.python) or 'any':<12} {needs}")
    return "\n".join(lines)


def _sets(profile: ServerProfile, python: str) -> Iterable[Any]:
    if python:
        return profile.sets_for(python)
    return profile.package_sets


def _row(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}}{text}"


def _python_text(plan: Plan) -> str:
    asked = plan.spec.python
    return f"{plan.python} ({asked.origin})" if asked else str(plan.python)


def _conda_text(plan: Plan, platform: PlatformLock) -> str:
    from envbuild.resolve.conda.lockfile import bare_address

    asked = {one.name for one in plan.conda}
    named = sum(one.name in asked for one in platform.conda)
    channels = ", ".join(dict.fromkeys(bare_address(one) for one in plan.channels))
    count = len(platform.conda)
    return f"{count}: {named} by name, {count - named} that these need; from {channels}"


def _packages_text(plan: Plan, platform: PlatformLock) -> str:
    counts = _counts(plan, platform.pylock.packages)
    return (
        f"{counts.total()}: {counts['model']} from the model, {counts['server']} for the server, "
        f"{counts['transitive']} that these need"
    )


def _counts(plan: Plan, packages: Iterable[Package]) -> Counter[str]:
    sides = {entry.name: entry.origin.side for entry in plan.requirements if entry.name}
    grouped = {"model": "model", "record": "model", "option": "model", "server": "server"}
    return Counter(
        grouped[sides[package.name]] if package.name in sides else "transitive"
        for package in packages
    )


def _to_build(platforms: Iterable[PlatformLock]) -> list[str]:
    rows: dict[str, None] = {}
    for platform in platforms:
        for package in platform.pylock.packages:
            if package.name in platform.to_build:
                version = f" {package.version}" if package.version else ""
                rows[f"{package.name}{version} ({_why_built(package)})"] = None
    return list(rows)


def _why_built(package: Package) -> str:
    if package.vcs is not None:
        return f"from {package.vcs.type} at {package.vcs.commit_id[:12]}"
    if package.directory is not None:
        return "from a folder of the model"
    return "has no wheel for this target"


def _change_text(change: Change) -> str:
    before, after = (_named(change, text) for text in (change.before, change.after))
    moved = f"{before} -> {after}" if after else f"{before} left out"
    if not before:
        moved = f"{after} added"
    return f"{moved}: {change.reason}"


def _named(change: Change, text: str) -> str:
    """A bare specifier with the name that it is for."""
    return f"{change.name}{text}" if text[:1] in set("=<>~!") else text


def _notice_rows(notices: Iterable[Notice], terminal: Terminal) -> list[str]:
    rows = []
    for notice in notices:
        if notice.level == "warning":
            rows.append(terminal.style(_row("warning", str(notice)), "yellow"))
        elif terminal.verbose:
            rows.append(_row("note", str(notice)))
    return rows


def _top_level(names: Iterable[str]) -> list[str]:
    return list(
        dict.fromkeys(
            name if "/" not in name else f"{name.split('/')[0]}/" for name in sorted(names)
        )
    )


def _bundle_name(directory: Path) -> str:
    name = directory.name
    return f"{name.removesuffix('-env')}-bundle"


def _platform_document(lock: Lock, platform: PlatformLock) -> dict[str, Any]:
    counts = _counts(lock.plan, platform.pylock.packages)
    return {
        "platform": platform.target.platform.name,
        "resolver": platform.resolver,
        "packages": [
            {"name": package.name, "version": str(package.version) if package.version else None}
            for package in platform.pylock.packages
        ],
        "conda": [
            {"name": one.name, "version": one.version, "build": one.build, "channel": one.channel}
            for one in platform.conda
        ],
        "from_model": counts["model"],
        "for_server": counts["server"],
        "transitive": counts["transitive"],
        "to_build": list(platform.to_build),
    }


def _requirement_document(entry: PipRequirement) -> dict[str, Any]:
    return {
        "name": entry.name,
        "requirement": entry.pep508(),
        "side": entry.origin.side,
        "origin": str(entry.origin),
    }


def _change_document(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "name": change.name,
        "before": change.before,
        "after": change.after,
        "reason": change.reason,
        "origin": change.origin,
    }


def _notice_document(notice: Notice) -> dict[str, Any]:
    return {
        "code": notice.code,
        "level": notice.level,
        "message": notice.message,
        "where": notice.where,
    }
