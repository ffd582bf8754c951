"""Finding the file that settings come from."""

from pathlib import Path

ROOT_DIR = Path(__file__).resolve().parent


def find_dotenv(start_path: Path = ROOT_DIR) -> Path:
    """The nearest `.env` at `start_path` or above it.

    Raises:
        FileNotFoundError: There is none up to the root.
    """
    folder = start_path if start_path.is_dir() else start_path.parent
    for candidate in (folder, *folder.parents):
        file = candidate / ".env"
        if file.exists():
            return file
    raise FileNotFoundError(f".env file not found in {folder} or above")
