"""The published files of the electron micrographs, and how they get here."""

from pathlib import Path

from lab.downloads import download
from lab.errors import LabError

# The repository of https://github.com/zhixuhao/unet (MIT), at the commit that added them.
MIRROR = "https://raw.githubusercontent.com/zhixuhao/unet/909ae9b5fefd8a55900e24a771b073b1d4ef70ff/data/membrane/train/"
MD5 = {  # of 0.png … 29.png
    "image": (
        "2afebfcb620840fdd1b1e4ceb4a588c7",
        "ab7a063834b43ec69b446b3fff8c57c1",
        "d45a75c5f4a267af1fbe86a0e5707c3f",
        "3197cfd787fd16b78e4b2392626a4ba2",
        "ea64734a24519eeb094880ce6f21b282",
        "e3943eae65395f49dc2ec3c5253735ce",
        "957776eb2bc432fd4b744971851282df",
        "5b38e1af13122d955ae40af7d6b73e59",
        "0dfb73dd214eff1d0a71e62837c68b9d",
        "abc449b7f9bf04497100905ac5759f4a",
        "6f6aa289d892900549835072eab69ad6",
        "4c10214544e9234d844c272871536232",
        "9bf58a68ec63eacf647121fc19245db5",
        "11ae1cd1c03f6986e3f991c22305dbc9",
        "ab9d88144bff97089c2cf070f42083a4",
        "1d2ee42dc07b1c4978a2586e4cd1c171",
        "5a09a3b20492f4925956c2ba99ad20ce",
        "6e78641e557f07b9da13d454e994c824",
        "e154c4566390f22bea2b38cb03bae898",
        "8a90e5b6da3047995cf7e3f75cb4aa8f",
        "2d28240351c28943b8f226fd5c10fbc2",
        "adda4ca4aa9ea6efd1c77d8a44c752de",
        "f0a4aa8d44f248b9d520f6a45b0d459a",
        "644f6133fa0fa77a870ee946c6ffc30b",
        "e06a025dc3a0fb3309f2fb130e6d478a",
        "6bc5e991ec2f00f158996e3f223ff7eb",
        "bd5a877ce0f37c7a18a535dfba720da6",
        "5954583276f09d3c564e5c58561b2a2b",
        "f9d7fd408dcbb38fffe6c56cd0bda268",
        "4d2138716b147e03cf3f119d49f99f56",
    ),
    "label": (
        "da1f734751b9a674df60e4a3a7edebc9",
        "547fa0459c175628fab1784bc80acd34",
        "fdbed6ad4644adb64fc891cfa6311c9e",
        "15a2d51869b2ba0caf2dc023416b3acd",
        "648e37ac977dcdbfde13b3189f6f14bc",
        "f15b4f0b114edd34d36e2eac01b2c314",
        "2471b244c69e36e2491b534d1677a36f",
        "26bff7693a05ddf93a51ec836518bef6",
        "090f8eae5881578392c1de379b7679ae",
        "4503fd4ecb55fb842c480439d825e8f1",
        "5b7c2ee0ce40ede3cdd1a389886c8145",
        "613111fb34ab2e13951acbdfcb6d59a7",
        "55d9a4154f40dc3d92237028d3c9bd09",
        "3213cf3ae031b269543ff8e784e99f1d",
        "0828e0790593b7c9cdcfd7bb78e296c2",
        "04adcd40931c9e30a59b0dabb991b9c7",
        "a82ab66840f2249d1fdf726a929cdf09",
        "52c2f32fe6311699724808f598c98edf",
        "634422fa516f07c0f224be0f856df601",
        "68a52b1b17b465508a05801720da3ad2",
        "38ed77eb4d6f516fd4b22e0db12ec45c",
        "0307d353eea251649dce9a2909ff4ad8",
        "83985d4942ba3905560093661f77652b",
        "6d8ac95219260433f2546b6e8a66585a",
        "787261f7cbb594015955c6491214b5e3",
        "616a2c0b2a54a7c28c96c9447f3bf364",
        "3c7ec84e48ce0b5038bab9752527b183",
        "d81cd1a3c198c2c5b393053ff27a454f",
        "199d4ee83d2ee787164f986c7390917b",
        "346bddb250726f10e9087b93810779e9",
    ),
}


def download_membrane(folder: Path) -> None:
    """Fetch the 30 slices and their labels of the ISBI-2012 challenge; verified, all or none.

    They are gathered in a folder beside, where a broken-off download is taken up again.

    Args:
        folder: what shall hold image/0.png … 29.png and label/0.png … 29.png.

    Raises:
        LabError: when a file cannot be had.
    """
    gathered = folder.with_name(f"{folder.name}.part")
    names = [(f"{kind}/{number}.png", md5) for kind, sums in MD5.items() for number, md5 in enumerate(sums)]
    for name, md5 in names:
        try:
            if not (gathered / name).is_file():
                download([f"{MIRROR}{name}"], gathered / name, md5)
        except LabError as error:
            raise LabError(
                f"the membrane images are not in {folder} ({name} is missing) and cannot be downloaded ({error}). Set "
                f"--data.root or ARCHLAB_DATA to the folder that holds membrane/train, or use ShapesDataModule "
                f"(configs/unet_shapes.yaml), which needs no files."
            ) from error
    for kind in MD5:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name, _ in names:
        (gathered / name).replace(folder / name)
    for kind in MD5:
        (gathered / kind).rmdir()
    gathered.rmdir()
