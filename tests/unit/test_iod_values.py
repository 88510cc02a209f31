"""The built-in rules: each is red on a planted breach, none on an object without one, and no value is quoted."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.uid import ImplicitVRLittleEndian

from pipeline.iod import check, check_set
from tests.support import plain_bytes
from tests.support.plain_bytes import data_set, file, item

NAN = struct.pack("<f", float("nan"))
JAPANESE = {
    "SpecificCharacterSet": b"\\ISO 2022 IR 87 ",
    "PatientName": b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
}
SCANNER = {
    "PurposeOfReferenceCodeSequence": item(
        {"CodeValue": b"109101", "CodingSchemeDesignator": b"DCM ", "CodeMeaning": b"Acquisition Equipment "}
    )
}
CODE = {"CodeValue": b"T1", "CodingSchemeDesignator": b"99X ", "CodeMeaning": b"one "}


def said(data: bytes) -> list[str]:
    return [breach.words for breach in check(data)]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        JAPANESE,
        {"SpecificCharacterSet": b"ISO_IR 192", "PatientName": "山田^太郎".encode() + b" "},
        {"SpecificCharacterSet": b"ISO_IR 192", "PatientName": b"", "SeriesDescription": "ä".encode() * 64},
        {"SpecificCharacterSet": b"GB18030 ", "PatientName": "王^小東".encode("gb18030") + b" "},
        {"SliceThickness": b"-1.2345678901e-3"},
        {"ContentTime": b"235960.123456 ", "AcquisitionDateTime": b"20261120081500.1+0100 "},
        {"00091001": ("LO", b"whatever"), "00090010": ("LO", b"MAKER ")},
        {"AnatomicRegionSequence": item(CODE)},
        {"PatientComments": b"a\\b "},
        {"NumberOfFrames": b"2 ", "PixelData": ("OB", bytes(12))},
        {"BitsAllocated": b"\1\0", "BitsStored": b"\1\0", "HighBit": b"\0\0", "PixelData": ("OB", bytes(2))},
    ],
)
def test_what_is_right_is_left_alone(changed: Mapping[str, bytes]) -> None:
    assert said(file(changed)) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"PixelSpacing": b"0.50000000000000001\\0.5"}, "PixelSpacing (0028,0030) has a value of 19 bytes, and a DS"),
        ({"PixelSpacing": b"0,5\\0.5 "}, "is no decimal number"),
        ({"SliceThickness": b"1e999 "}, "is not a finite number"),
        ({"PixelSpacing": b"0.5 "}, "has 1 values, and its multiplicity is 2"),
        ({"SeriesNumber": b"2147483648"}, "is beyond the range of 32 bits"),
        ({"SeriesNumber": b"7.5 "}, "is no whole number"),
        ({"SeriesNumber": b"1234567890123 "}, "has a value of 13 bytes, and a IS has room for 12"),
        ({"SeriesInstanceUID": b"2.25.013"}, "is no UID"),
        ({"SeriesInstanceUID": b"1." * 33}, "has a value of 66 bytes, and a UI has room for 64"),
        ({"SeriesInstanceUID": b"2.25.13 "}, "is no UID"),
        ({"ImageType": b"derived\\SECONDARY "}, "has other characters than A-Z"),
        ({"BodyPartExamined": b"A" * 18}, "has a value of 18 bytes, and a CS has room for 16"),
        ({"SeriesDescription": b"x" * 66}, "has a value of 66 characters, and a LO has room for 64"),
        ({"StationName": b"x" * 18}, "has a value of 18 characters, and a SH has room for 16"),
        ({"DerivationDescription": b"x" * 1026}, "has a value of 1026 characters, and a ST has room for 1024"),
        ({"ImageComments": b"x" * 10242}, "has a value of 10242 characters, and a LT has room for 10240"),
        ({"SeriesDescription": b"two\nlines "}, "has a control character"),
        ({"ImageComments": b"bell\x07 "}, "has a control character"),
        ({"SeriesDescription": b"na\x93me "}, "has a control character"),  # a Windows quotation mark in Latin-1
        ({"ContentDate": b"2026.11.20"}, "is no date of eight digits"),
        ({"ContentDate": b"20260230"}, "is no day of the calendar"),
        ({"ContentTime": b"08:15:00"}, "is no time of day"),
        ({"ContentTime": b"246000"}, "is no time of day"),
        ({"AcquisitionDateTime": b"20261320 "}, "is no date with time"),
        ({"OperatorsName": b"a=b=c=d "}, "has more than three component groups"),
        ({"OperatorsName": b"a^b^c^d^e^f "}, "has more than five components"),
        ({"OperatorsName": b"x" * 66}, "has a component group of 66 characters"),
        ({"RetrieveAETitle": b"A" * 18}, "has a value of 18 bytes, and a AE"),
        ({"RetrieveURL": ("UR", b"not a uri ")}, "is no URI"),
        ({"SeriesDescription": b"odd"}, "has an odd number of bytes"),
        ({"SeriesDescription": ("SH", b"text")}, "has the VR SH, and is a LO"),
        ({"Rows": b"\2\0\0"}, "has 3 bytes, which are no whole US values"),
        ({"RecommendedDisplayFrameRateInFloat": NAN}, "is not a finite number"),
        ({"SpecificCharacterSet": b"ISO_IR 192", "SeriesDescription": b"Sch\xe4del "}, "are no text in the declared"),
        ({"SpecificCharacterSet": b"", "SeriesDescription": b"Sch\xe4del "}, "are no text in the declared"),
        ({"SpecificCharacterSet": b"\\ISO 2022 IR 87 ", "SeriesDescription": b"\x1b$)C\xb1\xe8"}, "are no text in"),
        ({"SpecificCharacterSet": b"ISO_IR 999"}, "names a character set that DICOM does not know"),
        ({"SpecificCharacterSet": b"ISO_IR 192\\ISO 2022 IR 87 "}, "combines a character set that must stand alone"),
        ({"Modality": b""}, "Modality (0008,0060) is empty, and its type is 1"),
        ({"Modality": b"  "}, "Modality (0008,0060) is empty, and its type is 1"),
        ({"ConversionType": b""}, "ConversionType (0008,0064) is empty, and its type is 1"),
        ({"SOPInstanceUID": b"2.25.12\0"}, "StudyInstanceUID (0020,000D) is also the SOPInstanceUID"),
        ({"PixelData": ("OB", bytes(4))}, "has 4 bytes, and rows, columns, frames and bits make it 6"),
        ({"NumberOfFrames": b"0 "}, "is no positive number"),
        ({"HighBit": b"\6\0"}, "HighBit (0028,0102) is 6, and shall be one less"),
        ({"BitsStored": b"\x10\0"}, "BitsStored (0028,0101) is 16, and BitsAllocated (0028,0100) is 8"),
        ({"FloatPixelData": bytes(24)}, "stands beside other pixel data"),
        ({"ReferencedImageSequence": item({"ReferencedSOPInstanceUID": b"1.2.3\0"})},
         "ReferencedSOPClassUID (0008,1150) in ReferencedImageSequence[1] is missing"),
        ({"SourceImageSequence": item({"ReferencedSOPClassUID": b"1.2.3\0"})}, "UID (0008,1155) in"),
        ({"AnatomicRegionSequence": item(CODE | {"CodeMeaning": b""})}, "CodeMeaning (0008,0104) in AnatomicRegion"),
        ({"AnatomicRegionSequence": item(CODE | {"CodingSchemeDesignator": b""})}, "(0008,0102) in"),
        ({"AnatomicRegionSequence": item(CODE | {"CodeValue": b""})}, "has no code value"),
        ({"AnatomicRegionSequence": item(CODE | {"LongCodeValue": ("UC", b"x" * 18)})}, "one of several code values"),
        ({"AnatomicRegionSequence": item({k: v for k, v in CODE.items() if k != "CodeValue"}
                                         | {"LongCodeValue": ("UC", b"x" * 8)})}, "shall be a Code Value then"),
    ],
)  # fmt: skip
def test_each_rule_sees_its_breach(changed: Mapping[str, bytes | tuple[str, bytes]], words: str) -> None:
    found = said(file(changed))
    assert [w for w in found if words in w], found


@pytest.mark.parametrize(
    ("keyword", "words"),
    [
        ("StudyID", "StudyID (0020,0010) is missing, and its type is 2 (PS3.3)."),
        ("AccessionNumber", "AccessionNumber (0008,0050) is missing, and its type is 2 (PS3.3)."),
        ("PatientID", "PatientID (0010,0020) is missing, and its type is 2 (PS3.3)."),
        ("Modality", "Modality (0008,0060) is missing, and its type is 1 (PS3.3)."),
        ("SOPInstanceUID", "SOPInstanceUID (0008,0018) is missing, and its type is 1 (PS3.3)."),
        ("Rows", "Rows (0028,0010) is missing, and its type is 1 (PS3.3)."),
        ("BitsStored", "BitsStored (0028,0101) is missing, and there are pixels (PS3.3 C.7.6.3)."),
    ],
)
def test_what_is_lost_is_our_breach_and_an_empty_study_id_is_none(keyword: str, words: str) -> None:
    found = {breach.words: breach.copied for breach in check(file(without=(keyword,)))}
    assert found.get(words) is False, found


@pytest.mark.parametrize(
    "changed",
    [
        {"PatientBirthDate": b"1957.01.31"},
        {"PatientName": b"x" * 66},
        {"PatientSex": b"male"},
        {"StudyTime": b"8 Uhr "},
        {"SpecificCharacterSet": b"ISO_IR 192"},  # and a name in Latin-1
        {"OtherPatientIDsSequence": item({"PatientID": b"x" * 66})},
        {"ReferencedStudySequence": item({"ReferencedSOPInstanceUID": b"1.2.3\0"})},
        {"ClinicalTrialSponsorName": b"somebody"},
        {"PositionReferenceIndicator": b"x" * 66, "FrameOfReferenceUID": b"2.25.16\0"},
        {"ContributingEquipmentSequence": item({"Manufacturer": b"M ", "InstitutionName": b"x" * 66} | SCANNER)},
    ],
)
def test_what_the_images_have_like_that_is_told_as_theirs(changed: Mapping[str, bytes]) -> None:
    found = check(file(changed))
    assert found
    assert all(b.copied and ", as the images have it" in b.words for b in found), found


def test_no_breach_quotes_a_value() -> None:
    secrets = [b"Geheim\x07Mustermann^X=a=b=c=", b"\xff\xfeGeheimRat", b"Geheim" * 40]
    for secret in secrets:
        for keyword in plain_bytes.GOOD:
            found = said(file({keyword: ("LO", secret)}))
            assert found
            assert not [w for w in found if "eheim" in w]


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"MediaStorageSOPInstanceUID": b"2.25.99\0"}, "is not that of SOPInstanceUID (0008,0018) in the data set"),
        ({"MediaStorageSOPClassUID": b"1.2.3\0"}, "is not that of SOPClassUID (0008,0016) in the data set"),
        ({"ImplementationClassUID": b""}, "ImplementationClassUID (0002,0012) is missing"),
        ({"TransferSyntaxUID": b"1.2.840.10008.1.2.2\0"}, "is big endian"),
    ],
)
def test_the_file_meta_information_is_that_of_the_object(meta: Mapping[str, bytes], words: str) -> None:
    assert any(words in w for w in said(file(meta=meta)))


def test_a_file_that_is_cut_off_or_is_none_is_said_to_be() -> None:
    whole = file()
    assert any("PixelData (7FE0,0010) is longer than what it is in" in w for w in said(whole[:-2]))
    assert any("the bytes end within an attribute" in w for w in said(whole[:-12]))
    assert "has no DICM prefix" in said(b"a text file")[0]
    assert said(b"") != []


def test_implicit_and_deflated_files_are_read_alike() -> None:
    long = {"SeriesDescription": b"x" * 66}
    body = data_set(plain_bytes.GOOD | long)
    packer = zlib.compressobj(wbits=-15)
    deflated = file(long, meta={"TransferSyntaxUID": b"1.2.840.10008.1.2.1.99"}).removesuffix(body)
    deflated += packer.compress(body) + packer.flush()
    written = BytesIO()
    ds = dcmread(BytesIO(file(long)))
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dcmwrite(written, ds, implicit_vr=True, little_endian=True)
    assert said(deflated) == said(written.getvalue()) == said(file(long)) != []


def test_equal_breaches_in_many_places_are_one_that_counts_them() -> None:
    many = b"".join(item({"ReferencedSOPClassUID": b"1.2\0", "ReferencedSOPInstanceUID": b"1.02"}) for _ in range(5))
    (breach,) = check(file({"SourceImageSequence": many}))
    assert breach.times == 5
    assert breach.where == "ReferencedSOPInstanceUID (0008,1155) in SourceImageSequence[1]"


def test_objects_of_a_set_do_not_share_a_uid_and_agree_on_the_patient() -> None:
    other = file({"SOPInstanceUID": b"2.25.14\0", "SeriesInstanceUID": b"2.25.15\0"})
    assert check_set([file(), other]) == ((), ())
    assert [b.words for b in check_set([file(), file()])[1]] == [
        "SOPInstanceUID (0008,0018) is that of another object of the set (PS3.5 9)."
    ]
    strange = file({"SOPInstanceUID": b"2.25.14\0", "StudyID": b"1 ", "Modality": b"MR"})
    assert {b.where for b in check_set([file(), strange])[1]} == {"StudyID (0020,0010)", "Modality (0008,0060)"}
    third = file({"SOPInstanceUID": b"2.25.16\0"})
    assert [len(breaches) for breaches in check_set([strange, file(), third])] == [2, 0, 0], "the odd one is named"
